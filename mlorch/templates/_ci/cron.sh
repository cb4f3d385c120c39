#!/bin/sh
# For cron, which starts in another folder with next to no environment. A line for `crontab -e`, at five each morning:
#   0 5 * * * /path/to/this/project/mlorch-cron.sh
# It says nothing unless something is wrong, so that cron's mail is an alarm. What each run said is in .mlorch/cron.log.
cd "$(dirname "$0")" || exit 8
if [ -x .venv/bin/mlorch ]; then PATH="$PWD/.venv/bin:$PATH"; fi
mkdir -p .mlorch || exit 8
exec 9>.mlorch/cron.lock
if ! flock -n 9; then
    exit 0 # the run of before has not ended: this one leaves the work to it
fi
said=$(mlorch run --quiet --progress quiet 2>&1)
code=$?
printf '%s exit %s\n%s\n' "$(date -u '+%Y-%m-%dT%H:%M:%SZ')" "$code" "$said" >>.mlorch/cron.log
if [ "$code" != 0 ]; then
    printf '%s\n' "$said" >&2
fi
exit "$code"
