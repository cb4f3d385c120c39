# Words that the demos are made of; read by them with `.` from the top of the project.

VIRTUAL_ENV=$PWD/.venv
PATH=$VIRTUAL_ENV/bin:$PATH
export VIRTUAL_ENV PATH
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$(printf '\033[1m') plain=$(printf '\033[0m')
else
    bold= plain=
fi

# scratch FOLDER: work on a new copy of the example pipelines there
scratch() {
    rm -rf "$1"
    mkdir -p "$1"
    cp -R pipelines mlorch.toml "$1"
    cd "$1"
}

say() { printf '\n%s%s%s\n' "$bold" "$1" "$plain"; }

# run COMMAND…: print it, run it; the demo ends if it fails
run() { run_expecting 0 "$@"; }

# run_expecting CODE COMMAND…: the same, for a command that is meant to exit with CODE
run_expecting() {
    expected=$1
    shift
    printf '\n%s$ %s%s\n' "$bold" "$*" "$plain"
    code=0
    "$@" || code=$?
    if [ "$code" -ne "$expected" ]; then
        echo "demo: that should have exited with $expected, not $code" >&2
        exit 1
    fi
    if [ "$code" -ne 0 ]; then
        echo "(exit $code, as it should be)"
    fi
}
