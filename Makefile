# Akount Document Intelligence. `make` or `make help` lists what can be done.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_OPTIONS := --quiet --disable-pip-version-check --require-hashes --only-binary :all:
INSTALL := $(BIN)/pip install $(PIP_OPTIONS)
# most tests wait for something, so more of them run than there are cores; compiled code is kept: many of them start interpreters
TEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -q -n 4 --dist loadfile --no-loadscope-reorder
RIVALS := .venv-bench
BULLMQ := benchmarks/bullmq

.DEFAULT_GOAL := help
.PHONY: help run demo-check test test-s3 image-check check format lock samples errors screenshot screenshots licences sbom audit openapi \
  migration eval train bench bench-queue bench-edge bench-console chaos hostile stack rolling soak clean

help: ## list these commands
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

run: $(VENV)/run ## install, migrate, start web and workers, read the samples, stay until Ctrl-C
	@exec $(BIN)/python -m akount demo

demo-check: $(VENV)/run ## the same, but stop after the samples; exit 0 if all were read
	@exec $(BIN)/python -m akount demo --exit

test: $(VENV)/dev ## install what the tests need and run them all
	$(TEST)

test-s3: $(VENV)/dev ## the tests of the storage against a real S3 server: Ceph, unpacked below build/ (Debian)
	PYTHONPATH=.:tests $(BIN)/python -m tools.ceph -- $(BIN)/python -m pytest -q tests/test_storage.py tests/test_transfer.py

image-check: $(VENV)/dev ## the steps of the Dockerfile without Docker: built, started as a nobody, stopped
	PYTHONPATH=.:tests $(BIN)/python -m tools.image_check

check: $(VENV)/dev ## format, lint, types, tests: what CI runs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(TEST)

format: $(VENV)/dev ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(VENV)/dev ## resolve requirements*.in into the hashed locks
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --custom-compile-command "make lock" requirements.in -o requirements.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --custom-compile-command "make lock" -c requirements.txt requirements-dev.in -o requirements-dev.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --custom-compile-command "make lock" -c requirements.txt benchmarks/requirements.in -o benchmarks/requirements.txt

samples: $(VENV)/dev ## make the sample documents again
	PYTHONPATH=. $(BIN)/python -m tools.samples

errors: $(VENV)/dev ## write docs/errors.md again from what the code raises
	PYTHONPATH=. $(BIN)/python tools/make_errors.py

screenshot: $(VENV)/dev ## make the picture of the README again
	PYTHONPATH=. $(BIN)/python tools/make_screenshot.py

licences: $(VENV)/dev ## write docs/licences.md again: what is shipped, and by which licences
	PYTHONPATH=. $(BIN)/python tools/supply.py licences

sbom: $(VENV)/dev ## write build/sbom.json: a bill of materials of the lock, CycloneDX
	PYTHONPATH=. $(BIN)/python tools/supply.py sbom

audit: $(VENV)/dev ## known weaknesses of what is shipped; fails also when it cannot ask
	PYTHONPATH=. $(BIN)/python tools/supply.py audit

screenshots: $(VENV)/dev ## make the pictures of the console again (needs chromium)
	PYTHONPATH=.:tests:tests/api $(BIN)/python tools/make_console_pictures.py

openapi: $(VENV)/dev ## write docs/openapi.json anew, the frozen copy of the specification
	PYTHONPATH=. $(BIN)/python tools/freeze_openapi.py

migration: $(VENV)/dev ## write the next migration: make migration NAME="Add this"
	PYTHONPATH=. $(BIN)/python tools/new_migration.py "$(NAME)"

eval: $(VENV)/dev ## measure how well documents are read (EVAL="folders with truth.jsonl" ARGS=--write)
	PYTHONPATH=. $(BIN)/python -m tools.reading.evaluate $(EVAL) --keep build/ocr $(ARGS)

train: $(VENV)/dev ## learn the confidence of values from documents with truth (TRAIN="folders with truth.jsonl")
	PYTHONPATH=. $(BIN)/python -m tools.reading.train $(TRAIN) --keep build/ocr

bench-queue: $(VENV)/dev $(RIVALS)/run $(BULLMQ)/node_modules/.package-lock.json ## measure our queue beside others (ARGS="--help")
	PYTHONPATH=.:tests $(BIN)/python -m benchmarks.queues $(ARGS)

bench-edge: $(VENV)/dev ## measure what the edge costs beside a bare Flask view (ARGS="--help")
	PYTHONPATH=.:tests $(BIN)/python -m benchmarks.edge $(ARGS)

bench-console: $(VENV)/dev ## measure the console with a million jobs; writes benchmarks/results/console.md (ARGS="--help")
	PYTHONPATH=.:tests $(BIN)/python -m benchmarks.million $(ARGS)

bench: $(VENV)/dev $(BULLMQ)/node_modules/.package-lock.json ## measure the service beside the original's design in Node; writes benchmarks/results/bench.md (ARGS="--quick")
	PYTHONPATH=.:tests $(BIN)/python -m benchmarks.service $(ARGS)

stack: $(VENV)/dev ## nginx, web servers, workers, Postgres, Redis without Docker, until Ctrl-C (ARGS="--help")
	@PYTHONPATH=.:tests exec $(BIN)/python -m tools.stack $(ARGS)

rolling: $(VENV)/dev ## restart everything in turn under 20,000 requests through nginx: none may fail (ARGS="--requests 2000")
	PYTHONPATH=.:tests $(BIN)/python -m tools.stack.rolling $(ARGS)

soak: $(VENV)/dev ## mixed load with restarts for MINUTES=120: memory, descriptors, connections and queues must be flat
	PYTHONPATH=.:tests $(BIN)/python -m tools.stack.soak --minutes $(or $(MINUTES),120) --results $(or $(RESULTS),benchmarks/results)

CHAOS = $(if $(SEED),--seed $(SEED)) $(if $(DOCUMENTS),--documents $(DOCUMENTS)) $(if $(KILLS),--kills $(KILLS)) \
  $(if $(MINUTES),--minutes $(MINUTES)) $(if $(LEASE),--lease $(LEASE)) $(if $(PROCESSES),--processes $(PROCESSES)) \
  $(if $(KEEP),--keep $(KEEP)) $(if $(CONTROL),--control,--results $(or $(RESULTS),benchmarks/results))

chaos: $(VENV)/dev ## kill processes and servers at random and prove that no document is lost or doubled
	PYTHONPATH=.:tests $(BIN)/python -m tools.chaos $(CHAOS)

hostile: $(VENV)/dev ## throw hostile files at the service: our own, or those of a folder (HOSTILE=path, ARGS="--help")
	PYTHONPATH=.:tests $(BIN)/python -m tools.hostile $(HOSTILE) $(ARGS)

clean: ## remove the environment and what runs left behind (data in var/ too)
	rm -rf $(VENV) $(RIVALS) $(BULLMQ)/node_modules var build .pytest_cache .mypy_cache .ruff_cache

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

$(RIVALS)/run: benchmarks/requirements.txt | $(BIN)/python
	@echo "Installing the queues that ours is measured beside …"
	@$(BIN)/python -m venv $(RIVALS)
	@$(RIVALS)/bin/pip install $(PIP_OPTIONS) -r benchmarks/requirements.txt
	@touch $@

$(BULLMQ)/node_modules/.package-lock.json: $(BULLMQ)/package-lock.json
	@if command -v npm >/dev/null; then cd $(BULLMQ) && npm ci --silent; else echo "No npm here: BullMQ is left out."; fi
