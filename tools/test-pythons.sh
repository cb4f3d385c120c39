#!/bin/sh
# Runs the tests under each given version of Python that is on this machine, and names those that are not.
#
#   test-pythons.sh 3.8 3.13
#
# PYTEST_ARGS goes to pytest; `{}` in it stands for the version. Exit 1 if any of them failed.
set -eu
cd "$(dirname "$0")/.."
failed= missing=
WORKERS=$(expr "$(getconf _NPROCESSORS_ONLN)" + 1)
# The default Python runs the correctness property at length; the others see that it holds there too.
export MLORCH_SCENARIOS="${MLORCH_SCENARIOS:-10}" MLORCH_EDITS="${MLORCH_EDITS:-5}" MLORCH_ENGINE_CASES="${MLORCH_ENGINE_CASES:-200}"
# What tests the system, a browser or other tools more than Python is tested once, by the default Python.
ELSEWHERE="--ignore=tests/action --ignore=tests/benchmarks --ignore=tests/browser --ignore=tests/docs --ignore=tests/faults --ignore=tests/mutants"
for version; do
    if ! python=$(sh tools/find-python.sh "$version"); then
        missing="$missing $version"
        continue
    fi
    echo "== tests on Python $version ($python)"
    PYTHON=$python sh tools/setup.sh ".venv-$version" dev
    # shellcheck disable=SC2046,SC2086  # the arguments are words
    if ! ".venv-$version/bin/python" -m pytest -q -n "$WORKERS" --dist worksteal $ELSEWHERE $(echo "${PYTEST_ARGS:-}" | sed "s/{}/$version/g"); then
        failed="$failed $version"
    fi
done
if [ -n "$missing" ]; then
    echo "not on this machine, so not tested:$missing"
fi
if [ -n "$failed" ]; then
    echo "tests failed on:$failed"
    exit 1
fi
