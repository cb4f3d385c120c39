#!/bin/sh
# Makes a virtual environment with this project in it, or does nothing if it is there and up to date.
#
#   setup.sh FOLDER EXTRA…
#
# PYTHON names the interpreter; without it the first of python3, python3.13, … python3.8 that is at least 3.8. Each
# extra leaves a stamp that holds the sum of pyproject.toml, so that it is installed again when that file changes.
set -eu
cd "$(dirname "$0")/.."
venv=$1
shift

fail() {
    echo "error: $1" >&2
    echo "  $2" >&2
    exit 1
}

recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 8))' >/dev/null 2>&1; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        recent "$PYTHON" || fail "$PYTHON is not a Python of 3.8 or later" "name another: make PYTHON=/path/to/python3"
        echo "$PYTHON"
        return
    fi
    for candidate in python3 python3.13 python3.12 python3.11 python3.10 python3.9 python3.8; do
        if recent "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    fail "no Python of 3.8 or later was found" "on Debian and Ubuntu: apt install python3 python3-venv"
}

make_venv() {
    python=$(find_python)
    echo "making $venv with $("$python" --version)" >&2
    if "$python" -c 'import venv, ensurepip' >/dev/null 2>&1; then
        "$python" -m venv "$venv"
    elif "$python" -m virtualenv --version >/dev/null 2>&1; then
        "$python" -m virtualenv -q "$venv"
    else
        fail "$python cannot make virtual environments: its modules venv and ensurepip are not both there" \
            "on Debian and Ubuntu: apt install python3-venv, then run the same command again"
    fi
}

if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    rm -rf "$venv"
    make_venv
fi

wanted=$(cksum <pyproject.toml)
missing=
for extra; do
    if [ "$(cat "$venv/.installed-$extra" 2>/dev/null || true)" != "$wanted" ]; then
        missing=${missing:+$missing,}$extra
    fi
done
if [ -n "$missing" ]; then
    echo "installing mlorch with [$missing] in $venv (once; later runs skip this)" >&2
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable ".[$missing]"
    for extra in $(echo "$missing" | tr ',' ' '); do
        echo "$wanted" >"$venv/.installed-$extra"
    done
fi
