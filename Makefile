# Everything runs in .venv, which is made on the first call and again whenever pyproject.toml changes.
PYTHON ?= python3
BIN := .venv/bin
IMAGES ?=
LEARN ?=

.PHONY: help install demo test check format unit peers bench clean
help:
	@echo "make demo               the loop and a detector on photographs, ends by itself with a verdict"
	@echo "make demo IMAGES=dir    the same on your own images"
	@echo "make demo LEARN=1       two real trainings: a model learns, meets new images, and a better one comes out; some minutes"
	@echo "make test               format check, lint, types and all tests"
	@echo "make peers              install releases of the predecessor beside ours, for the tests that compare them"
	@echo "make bench              how fast node and loop are, beside 0.27; takes half an hour of a quiet machine"
	@echo "make format             format and fix what can be fixed"

.venv/.installed: pyproject.toml Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "make: Python 3.11 or newer is needed (Debian: apt install python3 python3-venv; or set PYTHON=...)"; exit 1; }
	@$(PYTHON) -m venv .venv 2>/dev/null && $(BIN)/python -m pip --version >/dev/null 2>&1 || \
		{ rm -rf .venv; echo "make: no virtual environment could be made; the package python3-venv is missing (Debian: apt install python3-venv)"; exit 1; }
	@echo "installing into .venv (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

install: .venv/.installed

demo: install
	@$(BIN)/learning-loop demo $(if $(IMAGES),--images "$$IMAGES") $(if $(LEARN),--learn)

test: check unit

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

unit: install
	$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder

# Releases of the package that we take over from, beside which some tests run ours; without one, its tests are skipped.
PEERS := v18 v20 v27
.peers/v18/.installed: RELEASE := 0.18.1
.peers/v20/.installed: RELEASE := 0.20.1
.peers/v27/.installed: RELEASE := 0.27.0

peers:
	@$(MAKE) --keep-going --jobs --no-print-directory $(PEERS:%=.peers/%/.installed)

.peers/%/.installed: Makefile
	@$(PYTHON) -m venv .peers/$*
	@.peers/$*/bin/python -m pip install --quiet --disable-pip-version-check learning-loop-node==$(RELEASE)
	@touch $@

# Ours as users install it, without what only tests and the demo need: that counts for start and memory.
.peers/ours/.installed: pyproject.toml Makefile
	@$(PYTHON) -m venv .peers/ours
	@.peers/ours/bin/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

BENCH ?=
bench: install .peers/ours/.installed .peers/v27/.installed
	@$(BIN)/python -m tests.benchmarks $(BENCH)

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv .peers build dist *.egg-info demo_output
