# The doors of the project, the same for people and for CI. `make run IMAGES=dir` and `make test` need nothing but Python 3.11+.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TRITON := .venv-triton
STORE ?= hundredfold-data
PORT ?= 8501

.PHONY: help setup run test e2e chaos bench check fmt gen release-api clean

help:
	@echo "make run [IMAGES=dir]   set up, then every service and the labelling UI on this machine"
	@echo "make test               set up, then the tests"
	@echo "make check              format, lint, types, import rules, protos, generated code"
	@echo "make e2e | chaos | bench [NAME=..]   the slow ones"
	@echo "make fmt | gen          format the code; generate the API from the protos"

$(VENV)/pyvenv.cfg:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip

$(VENV)/.run: $(VENV)/pyvenv.cfg pyproject.toml
	$(BIN)/pip install --quiet --editable '.[all]'
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@

# A Triton server for the tests, in an environment of its own (it wants numpy 1). Where there is no wheel of it, its tests skip and say so.
$(TRITON)/.ready:
	$(PYTHON) -m venv $(TRITON)
	-$(TRITON)/bin/pip install --quiet 'nvidia-pytriton==0.7.0' 'numpy<2' 'onnxruntime>=1.20'
	@touch $@

setup: $(VENV)/.dev $(TRITON)/.ready

run: $(VENV)/.run
	$(BIN)/hundredfold up $(IMAGES) --store $(STORE) --port $(PORT)

# A worker a core, a file at a time: about half of the suite is waiting for processes and timers.
test: setup
	$(BIN)/pytest -q -n auto --dist loadfile

e2e: setup
	$(BIN)/pytest -q -m e2e tests/e2e

chaos: setup
	$(BIN)/pip install --quiet --editable '.[ray]'
	$(BIN)/pytest -q -m chaos tests/chaos

bench: setup
	$(BIN)/hundredfold bench $(NAME) --json

check: setup
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	PYTHONPATH=services $(BIN)/lint-imports
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code
	$(BIN)/buf breaking --against protos/released.binpb
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python tests/packaging/api_is_current.py

fmt: setup
	$(BIN)/ruff format
	$(BIN)/ruff check --fix
	$(BIN)/buf format --write

gen: setup
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python protos/generate.py

# The API that callers rely on; `make check` refuses what breaks it. Part of making a release.
release-api: setup
	$(BIN)/buf build --output protos/released.binpb

clean:
	rm -rf $(VENV) $(TRITON) build dist *.egg-info services/*.egg-info
