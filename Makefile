# `make demo` needs Python 3.10-3.13, git and make; `make test` a few programs besides, which it installs or names.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PROJECT := setup.cfg pyproject.toml setup.py $(wildcard indexer/embedded/*.pyx)
# Two processes share all tests: the one that is done takes half of what the other has left. Those that ARGS
# choose are seldom worth the start of a second process.
WORKERS ?= $(if $(ARGS),0,2)

.PHONY: demo test slow lint help clean

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

demo: $(VENV)/.demo  ## caption real photos, index them, search for one that is not among them
	$(BIN)/python scripts/demo.py

test: $(VENV)/.compiled  ## all tests, on a real Elasticsearch and a real browser; ARGS="-k name" chooses
	$(PYTHON) scripts/system_packages.py
	$(BIN)/python scripts/elasticsearch_server.py run -- $(BIN)/python -m pytest -m "not slow" \
		-n $(WORKERS) --dist worksteal $(ARGS)

slow: $(VENV)/.compiled  ## long training, scale and kill -9 runs
	$(PYTHON) scripts/system_packages.py
	$(BIN)/python scripts/elasticsearch_server.py run -- $(BIN)/python -m pytest -m slow \
		-o faulthandler_timeout=0 $(ARGS)

lint: $(VENV)/.test  ## ruff, mypy and deno, as CI runs them
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/deno lint --quiet
	$(BIN)/deno check --quiet search/web/static

clean:  ## remove the virtual environment and what demo and tests left
	rm -rf $(VENV) demo-output .server .cache build dist *.egg-info

$(VENV)/.demo: $(PROJECT) | $(VENV)/.made
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[demo]'
	touch $@

$(VENV)/.test: $(PROJECT) | $(VENV)/.made
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile \
		-e '.[demo,train,evaluate,web,transformers,ray,bench,test,lint]'
	touch $@

# pip would do this on one core. Not to do it at all would be quicker still, but then a stranger's module warns of
# itself when a test imports it. A few templates among what is installed are no Python, whence "|| true".
$(VENV)/.compiled: $(VENV)/.test
	$(BIN)/python -m compileall -qq -j 0 -x '/tests/|/transformers/models/' $(VENV)/lib || true
	touch $@

$(VENV)/.made:
	$(PYTHON) -m venv $(VENV)
	touch $@
