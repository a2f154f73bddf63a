# Akount Document Intelligence. `make` or `make help` lists what can be done.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all:

.DEFAULT_GOAL := help
.PHONY: help run demo-check test check format lock samples screenshot migration bench chaos clean

help: ## list these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

run: $(VENV)/run ## install, migrate, start web and workers, read the samples, stay until Ctrl-C
	@exec $(BIN)/python -m akount demo

demo-check: $(VENV)/run ## the same, but stop after the samples; exit 0 if all were read
	@exec $(BIN)/python -m akount demo --exit

test: $(VENV)/dev ## install what the tests need and run them all
	$(BIN)/python -m pytest -q

check: $(VENV)/dev ## format, lint, types, tests: what CI runs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q

format: $(VENV)/dev ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(VENV)/dev ## resolve requirements*.in into the hashed locks
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --custom-compile-command "make lock" requirements.in -o requirements.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --custom-compile-command "make lock" -c requirements.txt requirements-dev.in -o requirements-dev.txt

samples: $(VENV)/dev ## make the sample documents again
	$(BIN)/python tools/make_samples.py

screenshot: $(VENV)/dev ## make the picture of the README again
	PYTHONPATH=. $(BIN)/python tools/make_screenshot.py

migration: $(VENV)/dev ## write the next migration: make migration NAME="Add this"
	PYTHONPATH=. $(BIN)/python tools/new_migration.py "$(NAME)"

bench: $(VENV)/dev ## measure jobs a second with an engine that does nothing
	PYTHONPATH=. $(BIN)/python benchmarks/jobs.py

CHAOS = $(if $(SEED),--seed $(SEED)) $(if $(DOCUMENTS),--documents $(DOCUMENTS)) $(if $(KILLS),--kills $(KILLS)) \
  $(if $(MINUTES),--minutes $(MINUTES)) $(if $(LEASE),--lease $(LEASE)) $(if $(PROCESSES),--processes $(PROCESSES)) \
  $(if $(KEEP),--keep $(KEEP)) $(if $(CONTROL),--control,--results $(or $(RESULTS),benchmarks/results))

chaos: $(VENV)/dev ## kill processes and servers at random and prove that no document is lost or doubled
	PYTHONPATH=.:tests $(BIN)/python -m tools.chaos $(CHAOS)

clean: ## remove the environment and what runs left behind (data in var/ too)
	rm -rf $(VENV) var build .pytest_cache .mypy_cache .ruff_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (set PYTHON=…)."; exit 1; }
	@echo "Making the environment in $(VENV) …"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/run: requirements.txt | $(BIN)/python
	@echo "Installing what the service needs (a minute or two the first time) …"
	@$(INSTALL) -r requirements.txt
	@touch $@

$(VENV)/dev: requirements-dev.txt $(VENV)/run
	@echo "Installing what the tests need …"
	@$(INSTALL) -r requirements-dev.txt
	@touch $@
