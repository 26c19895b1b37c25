# Everything runs in .venv, made from the exact set in constraints.txt; each target works alone and is quick the second time.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-compile --constraint constraints.txt
# The tests and the lab read data from here where it exists; otherwise from the cache or the public mirrors.
export FIRSTLIGHT_DATA

# Imports what the lab imports, so that its bytecode is there also where Python is told to write none.
IMPORTS := import pkgutil, torch._dynamo, firstlight; \
	[pkgutil.resolve_name(m.name) for m in pkgutil.walk_packages(firstlight.__path__, 'firstlight.') \
	if 'bench' not in m.name]

.PHONY: lab test lint bench clean

lab: .venv/lab
	$(BIN)/firstlight lab --preset quick

test: .venv/test
	$(BIN)/python -m pytest

lint: .venv/test
	$(BIN)/ruff format --check src tests
	$(BIN)/ruff check src tests
	$(BIN)/mypy

bench: .venv/bench
	$(BIN)/firstlight bench perceptron
	$(BIN)/firstlight bench probe
	$(BIN)/firstlight bench ensemble
	$(BIN)/firstlight bench regularization
	$(BIN)/firstlight bench ranges
	$(BIN)/firstlight bench cyclical

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

# A mark is made only after the installation went well, so that a broken one is repeated.
.venv/lab: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) --editable .
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -c "$(IMPORTS)"
	touch $@

.venv/test: .venv/lab
	$(PIP) --editable '.[test]'
	touch $@

.venv/bench: .venv/lab
	$(PIP) --editable '.[bench]'
	touch $@
