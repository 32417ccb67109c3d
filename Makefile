# Two commands for a fresh machine: `make demo` ends with an audiobook, `make test` runs every test.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

BIN := .venv/bin
export PYTHON
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --constraint constraints.txt
NEEDS := pyproject.toml constraints.txt

.PHONY: help demo test check fix bench starter migration constraints licences servers flite

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: .venv/.demo ## a fresh machine to a finished audiobook: out/demo.m4b
	@$(BIN)/python -m cli.demo

test: .venv/.dev servers flite ## every test, with real servers (installed when root, else skipped)
	@$(BIN)/python -m pytest

check: .venv/.dev ## lint, format, types, import contracts, fast tests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -q -m 'not slow and not services and not gpu'

fix: .venv/.dev ## let ruff repair and format what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: .venv/.dev ## what the ledger costs: jobs a second, overhead a sentence, claims
	@$(BIN)/python -m bench.ledger

starter: .venv/.dev flite ## what there is of the starter voice, trained from nothing: make starter BOOKS="a.epub b.txt"
	@$(BIN)/python -m starter all $(foreach book,$(BOOKS),--book $(book))

migration: .venv/.dev ## a new revision of the tables: make migration m="Add a column"
	@$(BIN)/python -m migrations "$(m)"

constraints: .venv/.dev ## pin what is installed now in constraints.txt
	@$(BIN)/python setup/constraints.py

licences: .venv/.dev ## write docs/licences.md anew
	@$(BIN)/python setup/licences.py

servers: # the servers of `make test`
	@setup/servers.sh

flite: # the synthesiser the starter voice learns from
	@setup/flite.sh

.venv/.made: setup/venv.sh
	@setup/venv.sh
	@touch $@

.venv/.demo: .venv/.made $(NEEDS)
	@echo 'installing lectorium with the draft voice into .venv'
	@$(PIP) --editable '.[worker,draft]'
	@touch $@

.venv/.dev: .venv/.made setup/pytorch.py $(NEEDS)
	@echo 'installing lectorium with everything its tests need into .venv'
	@$(BIN)/python setup/pytorch.py
	@$(PIP) --editable '.[api,worker,draft,neural,bench,dev]'
	@touch $@ .venv/.demo
