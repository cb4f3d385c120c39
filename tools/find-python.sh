#!/bin/sh
# Prints the path of a working interpreter of the given version (3.8), or nothing, with exit 1.
#
# A pyenv shim is no proof: it stands on PATH for versions that are not switched on, and fails when it is run.
set -eu
version=$1
works() { [ -n "$1" ] && "$1" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$version')" >/dev/null 2>&1; }

found=$(command -v "python$version" || true)
if works "$found"; then
    echo "$found"
    exit 0
fi
for folder in "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*; do
    if works "$folder/bin/python"; then
        echo "$folder/bin/python"
        exit 0
    fi
done
exit 1
