# Two commands: `make demo` runs the main job, `make test` runs the tests.
PYTHON ?= $(or $(shell command -v python3.11),python3)
VENV := .venv
BIN := $(VENV)/bin
ONLY ?=
ARGS ?=
# Tests start hundreds of processes: each would compile every module anew where the environment says so.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo test check lint unit bench verifier stubs lock clean

help: ## Say what there is.
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.installed ## Run the main job on the embedded default.
	@$(BIN)/tongban demo $(ARGS)

# What the tests saw of the web pages is there to look at.
test: export TONGBAN_PICTURES ?= build/pictures
test: $(VENV)/.tested-tools ## Install what the tests need and run them all.
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

check: lint unit ## Format, lint, types, floors, protos, stubs, unit tests.

lint: $(VENV)/.installed-dev ## All of check but the tests.
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/buf lint
	@$(BIN)/python deploy/check_breaking.py
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python proto/generate.py --check

unit: $(VENV)/.installed-dev ## Run the tests that need no server.
	@$(BIN)/python -m pytest -q -n 2 tests/unit $(ARGS)

bench: $(VENV)/.installed-dev ## Measure; ONLY=name runs one. Writes bench.json.
	@$(BIN)/python -m tests.benchmarks $(if $(ONLY),--only $(ONLY)) --output bench.json

verifier: $(VENV)/.installed-dev ## Build the stand-alone verifier: a wheel, all wheels, one file to carry.
	@$(BIN)/python deploy/build_verifier.py --out dist --carry

fuzz: $(VENV)/.installed-dev ## Look for bytes that break us, for an hour; ARGS="--minutes 5".
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r constraints-fuzz.txt
	@$(BIN)/python -m tests.fuzz.explore $(ARGS)

stubs: $(VENV)/.installed-dev ## Generate the stubs from the protos.
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python proto/generate.py

lock: ## Pin the newest versions that the bounds allow (needs uv).
	uv pip compile -q --upgrade --universal --generate-hashes --no-emit-index-url --no-header pyproject.toml -o constraints.txt
	uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header -c constraints.txt pyproject.toml --group dev -o constraints-dev.txt
	uv pip compile -q --upgrade --universal --generate-hashes --no-emit-index-url --no-header --group fuzz -o constraints-fuzz.txt

clean: ## Remove what was installed and built here.
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or newer is needed: install it, or name one with 'make PYTHON=/path/to/python3.11'"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

# The pins are whole, so nothing is resolved anew: an older pip would look past them for an extra.
# pip cannot hash a folder, so the pinned libraries come first and the project by itself.
$(VENV)/.installed: constraints.txt pyproject.toml | $(VENV)/bin/python
	@echo "installing the pinned libraries into $(VENV) (about a minute, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r constraints.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.installed-dev: constraints-dev.txt pyproject.toml | $(VENV)/bin/python
	@echo "installing the pinned libraries and tools into $(VENV) (about a minute, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r constraints-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@ $(VENV)/.installed

$(VENV)/.tested-tools: $(VENV)/.installed-dev tests/install_tools
	@tests/install_tools
	@touch $@
