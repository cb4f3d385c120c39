#!/bin/sh
# Prints a Markdown report: the confusions, and the words that are commonest in each text.
#
#   report.sh TOP ANSWERS COUNTS…
set -eu
top=$1 answers=$2
shift 2

echo "# Who wrote this line?"
echo
echo "| lines | from | taken for |"
echo "| ---: | --- | --- |"
sort "$answers" | uniq -c | awk '{ printf "| %d | %s | %s |\n", $1, $2, $3 }'
for counts; do
    text=$(basename "$(dirname "$counts")")
    echo
    echo "## $text"
    echo
    awk -v top="$top" 'length($2) > 4 && shown < top { printf "%s%s (%d)", (shown++ ? ", " : ""), $2, $1 }' "$counts"
    echo
done
