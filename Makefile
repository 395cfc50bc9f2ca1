# Everything runs inside .venv, which each target sets up by itself from python3, make and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
LOCK := $(BIN)/uv pip compile pyproject.toml --quiet --universal --generate-hashes --upgrade \
        --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

.DEFAULT_GOAL := help
.PHONY: help demo test lint format bench lock clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("everycall needs Python 3.11 or newer; this is %s. Say which to use: make PYTHON=/path/to/python3.12" % sys.version.split()[0])'
	@$(PYTHON) -m venv $(VENV) || { echo "python3 cannot make a virtual environment. On Debian and Ubuntu: apt-get install python3-venv" >&2; rm -rf $(VENV); exit 1; }

# What a user needs, and what a developer needs on top, each from its own lock file (names, versions and hashes).
$(VENV)/.run: requirements/run.txt pyproject.toml | $(BIN)/python
	$(PIP) install --require-hashes -r requirements/run.txt
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

demo: $(VENV)/.run ## a week of conversations out of the built-in sandbox into conversations.csv, and the proof
	$(BIN)/everycall export --sandbox --last 7d -o conversations.csv --fresh

test: $(VENV)/.dev ## every check
	@$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest -n auto

lint: $(VENV)/.dev ## style, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## mend the style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev ## measure speed and memory, and rewrite BENCHMARKS.md
	$(BIN)/python -m bench

lock: $(VENV)/.dev ## take the newest versions of what we stand on into requirements/*.txt
	$(LOCK) --extra build -o requirements/run.txt
	$(LOCK) --extra build --extra dev -o requirements/dev.txt

clean: ## remove what make made
	rm -rf $(VENV) build dist
