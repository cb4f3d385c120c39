#!/bin/sh
# Tries an installed mlorch, given by its path, away from the sources: a new project must run, and then be up to date.
set -eu
mlorch=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$mlorch" --version
"$mlorch" schema >schema.json
"$mlorch" init --template shell project >/dev/null
cd project
"$mlorch" run
"$mlorch" plan --check
"$mlorch" report -o report.html
