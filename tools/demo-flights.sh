#!/bin/sh
# What `make demo-flights` shows: six families of models on a year of flights, in a copy in build/demo-flights.
set -eu
cd "$(dirname "$0")/.."
. tools/demo-words.sh
scratch build/demo-flights

say "Which of 336,776 flights arrive late? Six families of models, four folds, one holdout."
run mlorch graph pipelines/flights.yaml
run mlorch run pipelines/flights.yaml
say "Again."
run mlorch run pipelines/flights.yaml
say "Another day's flights: one step runs."
run mlorch plan pipelines/flights.yaml -p batch.day=24
run mlorch run pipelines/flights.yaml -p batch.day=24
run head -n 6 build/flights/report/predictions.csv

say "The model card and its plots are in $PWD/build/flights/report."
