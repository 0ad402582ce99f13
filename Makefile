# Everything a newcomer needs: make setup, make demo, make test. `make` alone explains.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench soak lock clean

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# How many test processes; each has its own databases, and much of what they do is waiting for other processes.
WORKERS ?= 3

# The newest suitable Python on the PATH, or the one named: make setup PYTHON=/path/to/python3.12
FITS = import sys, ssl, sqlite3, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))
PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 python3.11 python3; do \
	if $$p -c '$(FITS)' >/dev/null 2>&1; then echo $$p; break; fi; done)

# Without a home directory the download cache lives beside what it fills.
ifeq ($(strip $(HOME)),)
export UV_CACHE_DIR ?= $(CURDIR)/$(VENV)/.cache
export PIP_NO_CACHE_DIR ?= 1
endif
export UV_NO_PROGRESS ?= 1
export PIP_DISABLE_PIP_VERSION_CHECK ?= 1

help: ## explain the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup: $(STAMP) ## install everything into .venv from the hashed lock (Python 3.11 to 3.14)

$(STAMP): requirements-dev.txt requirements-uv.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "No suitable Python: 3.11 to 3.14 with venv is needed (Debian: apt install python3-venv)."; exit 1; }
	@test -x $(BIN)/python || { echo "Making $(VENV) with $(PYTHON)"; $(PYTHON) -m venv $(VENV); }
	@test -x $(BIN)/uv || $(BIN)/python -m ensurepip >/dev/null
	@test -x $(BIN)/uv || $(BIN)/python -m pip install -q --require-hashes --only-binary :all: -r requirements-uv.txt
	@$(BIN)/uv pip sync -q --python $(BIN)/python --require-hashes requirements-dev.txt
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@
	@echo "Ready: $$($(BIN)/python --version) in $(VENV)"

demo: setup ## run the stories through the gateway and two apps, end to end
	@$(BIN)/gateway demo

test: setup check ## the checks, then every test in random order on SQLite, PostgreSQL and Redis
	@$(BIN)/python -m pytest -n $(WORKERS)

check: setup ## ruff, mypy, import contracts, the configuration and the connectors' pages
	@$(BIN)/ruff check --output-format concise .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/gateway config check
	@$(BIN)/gateway connector docs --check

bench: setup ## accepted reports per second on SQLite and PostgreSQL, as a ratio to pgbench
	@$(BIN)/python -m tests.bench

# A soak may be stopped at any time; it goes on where it was. ONLY=chaos,power runs these alone.
SOAK_MINUTES ?= inf
ONLY ?=
soak: setup ## the fault campaigns at full length, into docs/evidence (SOAK_MINUTES=60 at most, ONLY=chaos,crash)
	@$(BIN)/python -m tests.soak --minutes $(SOAK_MINUTES) --only "$(ONLY)"

COMPILE = $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate
lock: setup ## resolve pyproject.toml again into the hashed requirement files
	@$(COMPILE) --upgrade pyproject.toml -o requirements.txt
	@$(COMPILE) --upgrade -c requirements.txt --extra dev pyproject.toml -o requirements-dev.txt
	@grep '^uv==' requirements-dev.txt | sed 's/ .*//' | $(COMPILE) - -o requirements-uv.txt

clean: ## remove .venv and what the tools cached
	@rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
