# Newcomers need two of these: `make demo` and `make test`. Each first makes a .venv with what it needs.

PYTHON ?=
PYTEST_ARGS ?=
BENCH_ARGS ?=
# one worker more than there are cores, as many tests wait for processes; a worker takes over tests that another has not begun
WORKERS ?= -n $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1) --dist worksteal
# for `make fuzz`, shared by all targets
FUZZ_SECONDS ?= 3600
# of ten edits each, for `make soak`
SCENARIOS ?= 2000
# campaigns for `make faults`, by the beginning of their names; all where none is named
FAULTS ?=
BIN := .venv/bin

.PHONY: help demo demo-flights test test-all soak faults mutants fuzz promises check format clean
.PHONY: bench bench-quick bench-scheduling site beside
.PHONY: setup-examples setup-test setup-lint setup-docs

help:                ## Show this list
	@awk -F ' *## ' '/^[a-z-]+:.*##/ { split($$1, name, ":"); printf "  make %-16s %s\n", name[1], $$2 }' Makefile

demo: setup-examples           ## See it work: two pipelines, cached reruns, a failing gate (3 minutes at most)
	@sh tools/demo.sh

demo-flights: setup-examples   ## Which of 336,776 flights arrive late (about a minute once installed)
	@sh tools/demo-flights.sh

test: setup-test               ## Run the tests
	@$(BIN)/python -m pytest -q $(WORKERS) $(PYTEST_ARGS)

test-all: setup-test           ## The tests with everything slow, on every Python found, then the soak
	@MLORCH_TEST_ALL=1 $(BIN)/python -m pytest -q $(WORKERS) $(PYTEST_ARGS)
	@sh tools/test-pythons.sh 3.8 3.9 3.10 3.11 3.12 3.13
	@$(MAKE) --no-print-directory soak

soak: setup-test               ## 20,000 random edits of random pipelines: each run must equal a clean build
	@MLORCH_TEST_ALL=1 MLORCH_SCENARIOS=$(SCENARIOS) MLORCH_EDITS=10 $(BIN)/python -m pytest -q $(WORKERS) tests/properties $(PYTEST_ARGS)

faults: setup-test             ## Inject thousands of faults and check after each that nothing was lost (half an hour)
	@$(BIN)/python tests/faults/suite.py $(FAULTS)

mutants: setup-test            ## See that the tests notice two dozen deliberate defects (some minutes)
	@$(BIN)/python tests/mutants/runner.py

promises: setup-test           ## Write docs/promises.md of the figures of `make faults` and `make mutants`
	@$(BIN)/python tests/promises/write.py

fuzz: setup-test              ## An hour (FUZZ_SECONDS) of hostile bytes for all that reads files
	@sh tools/setup.sh .venv fuzz || echo "atheris can't be installed here: mutations go without coverage" >&2
	@$(BIN)/python tests/hostile/fuzz.py $(FUZZ_SECONDS)

check: setup-test setup-lint   ## What a change has to pass: lint, format, types, tests, coverage
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -q $(WORKERS) $(PYTEST_ARGS)
	$(BIN)/coverage combine -q
	$(BIN)/coverage report --fail-under=90

bench: setup-examples          ## Time mlorch beside its peers (40 minutes); writes docs/benchmarks.md
	@$(BIN)/python -m benchmarks run $(BENCH_ARGS)

bench-quick: setup-examples    ## Time this tree beside the commit before it (3 minutes at most)
	@$(BIN)/python -m benchmarks quick $(BENCH_ARGS)

bench-scheduling: setup-examples   ## How good the order of steps is, on graphs of real workflows
	@$(BIN)/python -m benchmarks scheduling $(BENCH_ARGS)

site: setup-docs               ## Build the documentation as a site into build/site; a link that leads nowhere fails
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "build/site/index.html"

beside: setup-test             ## Try each verb in DVC and Snakemake too, and write docs/beside.md (some minutes)
	@$(BIN)/python docs/beside/record.py

format: setup-lint             ## Rewrite the sources in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:                         ## Remove what the pipelines and the tools made, but not .venv
	rm -rf .bench build dist htmlcov .mypy_cache .ruff_cache .pytest_cache .hypothesis .mlorch
	rm -f .coverage .coverage.*

setup-examples:
	@PYTHON='$(PYTHON)' sh tools/setup.sh .venv examples

setup-test:
	@PYTHON='$(PYTHON)' sh tools/setup.sh .venv dev examples reproduce

setup-docs:
	@PYTHON='$(PYTHON)' sh tools/setup.sh .venv docs

setup-lint:
	@PYTHON='$(PYTHON)' sh tools/setup.sh .venv dev examples reproduce lint
