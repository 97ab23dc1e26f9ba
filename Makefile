# Two commands for a newcomer: `make chat` and `make test`. Each makes .venv first if it is missing.
PYTHON ?= python3
BIN := .venv/bin
Q ?= Where are pitted cones within 40 km of outflow channels, north of 20 degrees?

.PHONY: chat ask test lint venv coverage clean

chat: .venv/made
	$(BIN)/areographer chat $(ARGS)

ask: .venv/made
	@$(BIN)/areographer ask "$(Q)" $(ARGS)

test: .venv/made
	$(BIN)/python -m pytest -n 2 $(ARGS)

coverage: .venv/made
	$(BIN)/python -m pytest -n 2 --cov --cov-report=term $(ARGS)

lint: .venv/made
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

venv: .venv/made

.venv/made: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
