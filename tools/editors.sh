#!/bin/sh
# What the tests of editors need beside Python: yaml-language-server, which VS Code and most other editors ask about YAML.
#
#   editors.sh
#
# Does nothing where it is there. Without Node and npm those tests are skipped, so that this never fails; it says what is
# missing.
set -u
cd "$(dirname "$0")/.."
version=1.25.0
place=.venv/editors

if [ ! -f "$place/$version" ]; then
    if command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1; then
        echo "installing yaml-language-server $version, for the tests of editors" >&2
        mkdir -p "$place" && npm install --silent --no-audit --no-fund --no-save --fetch-timeout=60000 --fetch-retries=1 \
            --prefix "$place" "yaml-language-server@$version" >/dev/null 2>&1 && touch "$place/$version" ||
            echo "yaml-language-server could not be installed: the tests of editors are skipped" >&2
    else
        echo "there is no Node with npm (on Debian: apt install npm): the tests of editors are skipped" >&2
    fi
fi
exit 0
