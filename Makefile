# Everything runs in a virtual environment of its own, made on first use.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test test-oldest coverage lint bench docs man clean

demo: $(VENV)/.demo
	@mkdir -p build/demo
	$(BIN)/convfilter apply sample_images/coffee.png --kernel sobel -o build/demo/coffee.sobel.png --overwrite
	@echo "The edges of sample_images/coffee.png are in $(CURDIR)/build/demo/coffee.sobel.png"

test: $(VENV)/.test
	$(BIN)/python -m pytest -n auto -q

# With the oldest versions that pyproject.toml admits, and without the extras.
test-oldest: $(VENV)/.oldest
	$(BIN)/python -m pytest -n auto -q

# Branches, in this process, in workers and in those that tests begin.
coverage: $(VENV)/.cover
	@rm -rf build/coverage && mkdir -p build/coverage
	COVERAGE_FILE=$(CURDIR)/build/coverage/data $(BIN)/coverage run -m pytest -n auto -q
	COVERAGE_FILE=$(CURDIR)/build/coverage/data $(BIN)/coverage combine --quiet
	COVERAGE_FILE=$(CURDIR)/build/coverage/data $(BIN)/coverage report

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks

docs: $(VENV)/.demo
	$(BIN)/python docs/pictures.py
	$(BIN)/python docs/kernels.py
	$(BIN)/python docs/commands.py
	$(BIN)/python docs/manual.py
	$(BIN)/python docs/fidelity.py
	$(BIN)/python docs/architecture.py

# The manual page, which `man` finds once it is installed.
man: $(VENV)/.demo
	$(BIN)/python docs/manual.py
	@mkdir -p build/man && cp docs/convfilter.1 build/man/

clean:
	rm -rf $(VENV) build dist

# An environment is complete when its stamp is newer than pyproject.toml. Groups need pip 25.1.
$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "convfilter needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade 'pip>=25.1'

$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	$(PIP) --editable .
	@touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	$(PIP) --editable '.[codecs,dask]' --group test --group oracles
	@touch $@

$(VENV)/.oldest: pyproject.toml | $(VENV)/bin/python
	$(PIP) --editable . --group test \
		$$(sed -n 's/^dependencies = //p' pyproject.toml | tr -d '[]",' | sed 's/>=/==/g')
	@touch $@

$(VENV)/.cover: pyproject.toml | $(VENV)/bin/python
	$(PIP) --editable '.[codecs,dask]' --group test --group oracles --group cover
	@touch $@

$(VENV)/.lint: pyproject.toml | $(VENV)/bin/python
	$(PIP) --editable . --group test --group lint
	@touch $@

$(VENV)/.bench: pyproject.toml | $(VENV)/bin/python
	$(PIP) --editable . --group oracles
	@touch $@
