# Every target makes the virtual environment it needs; PYTHON=python3.12 make repro chooses another interpreter (3.11 to 3.13).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help setup repro tables test test-fast fuzz check format mutants bench bench-slow load crash determinism audit clean

help:
	@echo "make repro      build everything on made-up recordings and show the tables"
	@echo "make test       run all tests (make test-fast leaves out the slow ones)"
	@echo "make fuzz       every reader under a coverage-guided fuzzer, SECONDS=60 each (ONLY=wfdb,csv for some)"
	@echo "make check      lint and type-check"
	@echo "make mutants    change losses, scores, splits and encodings in small places, and see that the tests notice (long)"
	@echo "make bench      measure against peers (make bench-slow: what takes an hour)"
	@echo "make crash      kill stages and fail their disk, and run them again (make determinism: build under other circumstances)"
	@echo "make load       load the server with good and bad clients, and stop it amid them"
	@echo "make audit      look for known faults of the dependencies (needs the network) and of the code"
	@echo "make setup      only make $(VENV)"

setup: $(VENV)/.installed

$(VENV)/.installed: requirements.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,check]'
	touch $@

repro: setup
	dvc repro
	@$(MAKE) --no-print-directory tables

tables:
	@for table in metrics/tables/*.md; do echo; cat $$table; done

# a file of tests stays in one process: its fixtures are shared; in the order of names, since the files with few tests take longest
SIDE_BY_SIDE := --numprocesses=logical --maxprocesses=8 --dist=loadfile --no-loadscope-reorder

test: setup
	pytest $(SIDE_BY_SIDE)

test-fast: setup
	pytest $(SIDE_BY_SIDE) -m "not slow"

# kept out of the extra `test`: needed by hand only, and the ordinary suite tries the same targets without it
ATHERIS := atheris==3.0.0
SECONDS ?= 60

fuzz: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(ATHERIS)
	python tests/fuzzing/run.py --seconds $(SECONDS) --only "$(ONLY)"

check: setup
	ruff check src stages tests benchmarks
	ruff format --check src stages tests benchmarks
	mypy

format: setup
	ruff check --fix src stages tests benchmarks
	ruff format src stages tests benchmarks

mutants: setup
	python tests/mutants/run.py

# --no-deps: a peer's own requirements would replace our torch
bench: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement benchmarks/peers.txt
	python benchmarks/run.py

# the growth of the stages, the engines, pictures stored or drawn, a grid of runs side by side, the whole demo in a fresh copy, and `dvc repro` in it
# with nothing to do
bench-slow: setup
	set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	python benchmarks/growth.py "$$folder/growth"; \
	python benchmarks/engines.py challenge2021 1500 "$$folder/engines"; \
	python benchmarks/stored_images.py "$$folder/images"; \
	python benchmarks/side_by_side.py "$$folder/grid"; \
	git clone --quiet . "$$folder/pqrst"; cd "$$folder/pqrst"; \
	bash -c 'time dvc repro'; \
	python benchmarks/starting.py

# the pipeline in miniature: 200 kills, then 230 faults of disk and clock; about a quarter of an hour each on two busy cores
crash: setup
	python tests/crash.py
	python tests/crash.py --faults

determinism: setup
	python tests/determinism.py

# two hundred clients, 10,000 good requests
load: setup
	python benchmarks/load.py

audit: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check '.[audit]'
	bandit --quiet --configfile pyproject.toml --recursive src stages
	pip-audit --requirement requirements.txt

clean:
	rm -rf $(VENV) data resolved metrics/train metrics/plots
