# make demo    trains the digits network as one compiled step, exports it, and trains on without nngraph
# make test    linter, formatter, type checker, dead code, layers and circles of imports, tests
# make lint    all of these but the tests
# make stubs   writes what type checkers see of Tensor, from the functions
# make test-web  trains exported bundles in Node.js, in headless Chromium and in C++, and drives the
#                pages of examples/browser and `nngraph view`; installs npm packages; says what it
#                has to skip, and why
# make bench   the benchmarks against PyTorch and others
# make clean   removes what these made
#
# Each makes .venv from a Python >= 3.11 and installs what it needs, once for each pyproject.toml.
# make demo BACKEND=tvm runs the demo on TVM; make test PYTEST_ARGS="-k conv" some tests;
# PYTHON=/path/to/python3.12 chooses the Python; JOBS=8 the number of test processes.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test test-web lint format stubs bench clean

PYTHON ?=
BACKEND ?= onnx
JOBS ?= 2
PYTEST_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# The test processes share the cores, so each computes on one thread.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 TVM_NUM_THREADS=1

NPM_INSTALL := ONNXRUNTIME_NODE_INSTALL=skip npm install --no-audit --no-fund --ignore-scripts --no-package-lock

help:
	@sed -n 's/^# \{0,1\}//p;/^$$/q' Makefile

$(VENV)/.made: scripts/venv.sh
	@scripts/venv.sh $(VENV) $(PYTHON)
	@touch $@

$(VENV)/.installed-%: $(VENV)/.made pyproject.toml
	@echo "Installing nngraph with what '$*' needs"
	@$(PIP) --editable '.[$*]'
	@touch $@

# The backend's own extra; the demo's extra has ONNX, and the reference needs nothing.
demo: $(VENV)/.installed-demo $(if $(filter tvm,$(BACKEND)),$(VENV)/.installed-tvm)
	$(BIN)/python examples/digits.py --backend $(BACKEND) --out out
	$(BIN)/python examples/continue_training.py --out out

test: lint
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(PYTEST_ARGS)

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/vulture
	$(BIN)/python -m pytest --quiet --no-header tests/test_layout.py

# The package's own install script would fetch a GPU build; the CPU's is in it.
test-web: $(VENV)/.installed-test
	if command -v npm; then for name in node browser; do (cd examples/$$name && $(NPM_INSTALL)) || exit 1; done; fi
	$(ONE_THREAD) $(BIN)/python -m pytest -rs $(addprefix tests/bundles/test_,node.py browser.py cpp.py) tests/cli/test_view_in_browser.py

format: $(VENV)/.installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

stubs: $(VENV)/.installed-test
	$(BIN)/python scripts/stubs.py

bench: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) out build dist examples/*/node_modules examples/browser/data .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
