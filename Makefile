# Two set-up commands: `make quick` shows what vral does, `make test` proves it.
# Both need only Python 3.11+, git and make, and install into .venv.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: install quick test clean

$(BIN)/vral: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "vral needs Python 3.11 or newer; name one with: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

install: $(BIN)/vral

quick: install
	$(BIN)/vral reproduce ratios --quick

test: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m pytest --numprocesses auto

clean:
	rm -rf $(VENV)
