# `make demo` and `make test` set up whatever they need; nothing but Python 3.11+ and make is assumed.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.ready
CODE   := federation parties towers recall simulations deploy tests docs
# Data sets that may not be redistributed; tests that need them are skipped without them.
FEDRECALL_DATA ?= $(firstword $(wildcard data ../shared/data))
export FEDRECALL_DATA

.PHONY: help venv demo federation failures bad-input capture test test-slow check format coverage clean

help:  ## List these targets.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

venv: $(STAMP)  ## Make .venv with everything a developer needs.

# torch first and pinned: a looser requirement takes the newest build with gigabytes of CUDA.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,bench]'
	@touch $@

demo: venv  ## Run a whole federation on a generated world and write its report.
	@rm -rf runs/demo
	$(BIN)/fedrecall simulate --data world --profile strict --seed 0 --out runs/demo

federation: venv  ## Run coordinator, item party and two partners as hosts of their own (Linux, root).
	$(BIN)/python -m deploy.rehearsal.federation --compare

failures: venv  ## Kill and cut off parties of such a federation, and see it end as if nothing had been.
	$(BIN)/python -m deploy.rehearsal.failures

bad-input: venv  ## Try at such a federation what must be refused.
	$(BIN)/python -m deploy.rehearsal.bad_input

capture: venv  ## Search all traffic of such a federation for anything in clear.
	$(BIN)/python -m deploy.rehearsal.capture

test: venv  ## Run the tests that take minutes at most.
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not slow"

test-slow: venv  ## Run every test, the slow suites too.
	$(BIN)/python -m pytest -q -n 2 --dist worksteal

coverage: venv  ## Measure branch coverage; 100 % in federation/, 90 % elsewhere.
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not slow" --cov --cov-report=term
	$(BIN)/coverage report --include='federation/*' --fail-under=100
	$(BIN)/coverage report --omit='federation/*' --fail-under=90

check: venv  ## Format, lint, types and import contracts.
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports

format: venv  ## Format and mend what can be mended.
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

clean:  ## Remove what was built; data and runs stay.
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage*
