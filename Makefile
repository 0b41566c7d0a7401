# Every target starts with `venv`, which does nothing when the environment is current.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.current

.PHONY: venv demo test test-slow check bench

venv: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "xunyi needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)

# ONCE=1 ends after the table; otherwise the page is served on 127.0.0.1:8080 until Ctrl-C.
demo: venv
	$(BIN)/xunyi demo $(if $(ONCE),--once)

# Two processes, each with whole files, since what a file opens its tests share.
IN_TWO := --numprocesses=2 --dist=loadfile

test: venv
	$(BIN)/python -m pytest $(IN_TWO) -m 'not slow'

test-slow: venv
	$(BIN)/python -m pytest $(IN_TWO) -m slow

check: venv
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture.py

bench: venv
	$(BIN)/python -m tests.benchmarks.run
