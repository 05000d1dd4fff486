# Needs Python >= 3.11, git and make; everything else goes into the virtual environment .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-all test-gpu lint docs clean

demo: $(VENV)/.demo  ## decision regions of three small ResNets on the built-in images
	$(BIN)/python -m dbviz.plot --arch resnet18 --dataset shapes --train-size 6000 --epochs 6 --batch-size 32 --width 4 --preset quick

test: $(VENV)/.dev  ## the test suite without the tests that need minutes
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder

test-all: $(VENV)/.dev  ## every test
	$(BIN)/python -m pytest

test-gpu: $(VENV)/.dev  ## the tests that need a CUDA device; skipped where there is none
	$(BIN)/python -m pytest -m gpu

lint: $(VENV)/.dev  ## what CI and pre-commit check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

docs: $(VENV)/.dev  ## the documentation, in docs/_build/html; warnings are errors
	$(BIN)/sphinx-build -b html -n -q -W --keep-going -d docs/_build/doctrees docs docs/_build/html

clean:
	rm -rf $(VENV) docs/_build

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@ $(VENV)/.demo
