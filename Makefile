# Everything runs inside .venv, which each target sets up by itself from python3, make and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --upgrade \
        --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"
LOCK := $(COMPILE) pyproject.toml
AIRBYTE := tests/clients/airbyte

.DEFAULT_GOAL := help
.PHONY: help demo test kill soak lint format docs bench bench-quick acceptance lock clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("everycall needs Python 3.11 or newer; this is %s. Say which to use: make PYTHON=/path/to/python3.12" % sys.version.split()[0])'
	@$(PYTHON) -m venv $(VENV) || { echo "python3 cannot make a virtual environment. On Debian and Ubuntu: apt-get install python3-venv" >&2; rm -rf $(VENV); exit 1; }

# What a user needs, and what a developer needs in addition, each from its own lock file (names, versions and hashes).
$(VENV)/.run: requirements/run.txt pyproject.toml | $(BIN)/python
	@$(PIP) install --require-hashes -r requirements/run.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

# The official JavaScript SDK, with which the tests try the sandbox, and pyright; without Node those tests are skipped.
$(VENV)/.node: tests/clients/package.json tests/clients/package-lock.json | $(BIN)/python
	@if command -v npm >/dev/null; then cd tests/clients && npm ci --silent --no-audit --no-fund --no-update-notifier; \
	else echo "npm is not installed (Debian and Ubuntu: apt-get install nodejs npm): tests of the JavaScript SDK and those by pyright are skipped"; fi
	@if command -v npm >/dev/null; then touch $@; fi

# Airbyte's framework and its published source, with which the tests try the sandbox too, need other versions of what we
# use. Each has an environment of its own, from a lock file of its own; where no Python fits, its tests are skipped.
$(VENV)/.airbyte-framework: PYTHONS := >=3.11,<3.15
$(VENV)/.airbyte-source: PYTHONS := >=3.10,<3.12
$(VENV)/.airbyte-%: $(AIRBYTE)/%.txt $(VENV)/.dev
	@if fitting=$$($(BIN)/uv python find --no-python-downloads '$(PYTHONS)' 2>/dev/null); then \
	    $(BIN)/uv venv --quiet --clear --no-python-downloads --python "$$fitting" $(VENV)/airbyte-$* && \
	    $(BIN)/uv pip install --quiet --python $(VENV)/airbyte-$* --require-hashes -r $< && \
	    touch $@; \
	else echo "no Python $(PYTHONS) is installed: tests of Airbyte's $* are skipped"; fi

demo: $(VENV)/.run ## export a week of conversations from the built-in sandbox to demo.csv, and prove it complete
	@$(BIN)/everycall export --sandbox --last 7d -o demo.csv --fresh

test: $(VENV)/.dev $(VENV)/.node $(VENV)/.airbyte-framework $(VENV)/.airbyte-source ## run every check
	@$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest -n auto --dist worksteal

kill: $(VENV)/.dev ## kill one export two hundred times, and compare its output with that of an undisturbed one
	$(BIN)/python tests/killing.py --kills 200
	EVERYCALL_KILLS=50 $(BIN)/python -m pytest -q tests/test_killed_tables.py tests/test_databases_killed.py
	EVERYCALL_DAYS=50 $(BIN)/python -m pytest -q tests/test_every_output.py

soak: $(VENV)/.dev ## try FUZZ (100000) odd answers and exports, then new seeds of the simulation for SECONDS (600); print each seed that fails
	EVERYCALL_FUZZ=$(or $(FUZZ),100000) $(BIN)/python -m pytest -q -n auto tests/test_client_fuzz.py tests/test_export_fuzz.py
	$(BIN)/python -m tests.simulation --seconds $(or $(SECONDS),600) --seed $(or $(SEED),$(shell date +%s)) --keep-going

lint: $(VENV)/.dev ## check style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## correct the style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.dev ## regenerate the parts of the pages that come from the code, and what the commands on them print
	$(BIN)/python -m cogapp -I docs -I tests -r --verbosity=1 README.md docs/*.md
	$(BIN)/python scripts/sandbox_coverage.py
	$(BIN)/python tests/documents.py

bench: $(VENV)/.dev ## measure whole commands and rewrite BENCHMARKS.md; takes forty minutes
	$(BIN)/python -m bench

bench-quick: $(VENV)/.dev ## measure the same commands with fewer conversations; takes two minutes, writes nothing
	@$(BIN)/python -m bench.whole --per-day 4000 --days 8 --rounds 2

acceptance: $(VENV)/.dev ## run the checks that take hours, each in full; a tenth of each is in `make test`
	$(BIN)/python -m tests.simulation --seed 1000000 --count 20000 --keep-going
	$(BIN)/python -m tests.simulation --jobs --seed 1000000 --count 20000 --keep-going
	$(BIN)/python tests/killing.py --kills 200
	EVERYCALL_KILLS=50 $(BIN)/python -m pytest -q tests/test_killed_tables.py tests/test_databases_killed.py
	EVERYCALL_DAYS=50 $(BIN)/python -m pytest -q tests/test_every_output.py
	$(BIN)/python tests/nights.py --nights 365
	$(BIN)/python tests/recording.py
	$(BIN)/python tests/flat_by_sql.py --count 100000
	$(BIN)/python tests/centre_by_sql.py --count 1000000
	EVERYCALL_REPORT=1000000 $(BIN)/python -m pytest -q tests/clients/test_report_page.py -k large
	EVERYCALL_CONVERSATIONS=100000 $(BIN)/python -m pytest -q tests/test_kpis.py
	$(BIN)/python -m bench.rate_limit --strict
	$(BIN)/python -m bench.jobs --strict
	$(BIN)/python -m bench.memory --strict

lock: $(VENV)/.dev ## update the dependencies in requirements/*.txt to their newest versions
	$(LOCK) --extra build -o requirements/run.txt
	$(LOCK) --extra build --extra all --extra dev -o requirements/dev.txt
	$(COMPILE) --python-version 3.11 $(AIRBYTE)/framework.in -o $(AIRBYTE)/framework.txt
	$(COMPILE) --python-version 3.10 $(AIRBYTE)/source.in -o $(AIRBYTE)/source.txt
	cd tests/clients && npm update --package-lock-only --omit-lockfile-registry-resolved --no-audit --silent
	$(BIN)/python -c 'import json; name = "tests/clients/package-lock.json"; lock = json.load(open(name)); \
	    [package.pop("funding", None) for package in lock["packages"].values()]; \
	    open(name, "w").write(json.dumps(lock, indent=2) + "\n")'

clean: ## remove what make made
	rm -rf $(VENV) tests/clients/node_modules build dist
