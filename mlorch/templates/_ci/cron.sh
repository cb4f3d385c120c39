#!/bin/sh
# For cron, which starts in another folder with next to no environment. A line for `crontab -e`, at five each morning:
#   0 5 * * * /path/to/this/project/mlorch-cron.sh
# It says nothing unless something is wrong, so that cron's mail is an alarm.
cd "$(dirname "$0")" || exit 8
if [ -x .venv/bin/mlorch ]; then PATH="$PWD/.venv/bin:$PATH"; fi
exec mlorch run --quiet --progress quiet
