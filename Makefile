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

# The lowest Python and torch that pyproject.toml allows, with the tests that depend on them the most.
LOWEST_PYTHON := $(shell command -v python3.11 || echo $(PYTHON))
LOWEST := .venv-lowest
LOWEST_TORCH := torch==2.11.* torchvision==0.26.*
LOWEST_TESTS := tests/test_penalties.py tests/optim/test_transforms.py tests/train/test_step.py \
	tests/train/test_compile.py tests/diagnostics/test_spectrum.py

.PHONY: install quick lint types test test-shapes test-rest test-all test-lowest clean

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

# What `make test` leaves out: machine code, browsers, whole studies, killed ones among them, notebooks.
test-all: install
	$(PYTEST) -m slow

$(LOWEST)/bin/pytest: pyproject.toml constraints.txt
	$(LOWEST_PYTHON) -m venv $(LOWEST)
	grep -vE '^torch(vision)?==' constraints.txt > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/python -m pip install --quiet --constraint $(LOWEST)/constraints.txt \
		--editable . $(LOWEST_TORCH) beartype filelock hypothesis pytest pytest-timeout pytest-xdist
	touch $@

test-lowest: $(LOWEST)/bin/pytest
	$(LOWEST)/bin/python -m pytest --numprocesses auto --dist loadscope -m "not slow" $(LOWEST_TESTS)

clean:
	rm -rf $(VENV) $(LOWEST)
