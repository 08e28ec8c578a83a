# Three commands: `make quick` shows what vral does, `make test` proves it, `make test-all` proves
# the rest. They need only Python 3.11+, git and make, and install into .venv.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest --numprocesses auto --dist loadscope

# Where tensors are made: these tests run with every annotation of vral checked (jaxtyping and
# beartype), the others without, which is a quarter quicker.
SHAPES := tests/games tests/nets tests/optim \
	tests/test_objectives.py tests/test_parzen.py tests/test_penalties.py

.PHONY: install quick lint types test test-shapes test-rest test-all clean

$(BIN)/vral: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "vral needs Python 3.11 or newer; name one with: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

install: $(BIN)/vral

quick: install
	$(BIN)/vral reproduce ratios --quick

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

types: install
	$(BIN)/basedpyright --pythonpath $(BIN)/python

test-shapes: install
	$(PYTEST) -m "not slow" --jaxtyping-packages=vral,beartype.beartype $(SHAPES)

test-rest: install
	$(PYTEST) -m "not slow" $(SHAPES:%=--ignore=%)

test: lint types test-shapes test-rest

# What `make test` leaves out: machine code, browsers, killed processes, notebooks.
test-all: install
	$(PYTEST) -m slow

clean:
	rm -rf $(VENV)
