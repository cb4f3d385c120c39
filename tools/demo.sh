#!/bin/sh
# What `make demo` shows. Prints each command before it runs it; works on a copy in build/demo, made anew each time, so
# that nothing else is touched and the first run is a first run. Leaves the copy to be looked at.
set -eu
cd "$(dirname "$0")/.."
. tools/demo-words.sh
scratch build/demo

say "1. A pipeline of awk, sort and uniq: from which of three texts does a line come?"
run mlorch graph pipelines/shell.yaml
run mlorch run pipelines/shell.yaml

say "2. Again. Nothing has changed, so nothing runs."
run mlorch run pipelines/shell.yaml

say "3. What would another smoothing cost, and why?"
run mlorch plan pipelines/shell.yaml -p alpha=2
run mlorch why pipelines/shell.yaml judge -p alpha=2
run mlorch run pipelines/shell.yaml -p alpha=2
say "And back again: every result is still in the store."
run mlorch run pipelines/shell.yaml

say "4. A grid of models on scikit-learn's digits. One of its axes is found in the data, during the run."
run mlorch run pipelines/digits.yaml
run mlorch run pipelines/digits.yaml
run mlorch graph pipelines/digits.yaml

say "5. A stricter gate. Nothing is trained again, but the gate does not hold, and mlorch exits with 1."
run_expecting 1 mlorch run pipelines/digits.yaml -p gate.min_accuracy=0.999
say "The runs so far:"
run mlorch runs

say "That was all. The copy that it worked on is $PWD.
Next: docs/tutorial.md, or a project of your own: .venv/bin/mlorch init --template sklearn ../my-project"
