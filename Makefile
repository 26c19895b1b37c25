# Everything runs in .venv, made from the exact set in constraints.txt; each target works alone and is quick the second time.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-compile --constraint constraints.txt
# A folder with the official files, if there is one; the lab and the tests need none.
export FIRSTLIGHT_DATA

# Imports what the lab imports, so that its bytecode is there also where Python is told to write none.
IMPORTS := import pkgutil, torch._dynamo, firstlight; \
	[pkgutil.resolve_name(m.name) for m in pkgutil.walk_packages(firstlight.__path__, 'firstlight.') \
	if not m.name.endswith('__main__')]

.PHONY: lab test lint map decided same bench clean

lab: .venv/lab
	$(BIN)/firstlight lab --preset quick

test: .venv/test
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: .venv/test
	$(BIN)/ruff format --check src tests benchmarks tools
	$(BIN)/ruff check src tests benchmarks tools
	$(BIN)/mypy
	$(BIN)/basedpyright --level error

# The rooms of the package, who imports whom, and what the rules count.
map: .venv/lab
	$(BIN)/python tests/helpers/house.py

# The quick lab on the images that come with firstlight: what each question comes to, for some seeds.
SEEDS ?= 0 1 2 3
decided: .venv/lab
	$(BIN)/python tests/decided.py --seeds $(SEEDS)

# Every answer of the quick lab against those of another version: make same WITH=its/folder.
same: .venv/lab
	rm -rf runs/same
	$(BIN)/firstlight lab --preset quick --out runs/same
	$(BIN)/python tests/same_answers.py runs/same --with $(WITH)

# Alone on the machine: a busy second core makes every figure worthless. make bench NAME=probe for one.
NAME ?= perceptron probe ensemble regularization ranges cyclical
bench: .venv/bench
	for name in $(NAME); do $(BIN)/python -m benchmarks $$name || exit 1; done

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
