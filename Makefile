# Two commands do all: `make demo` and `make test`. Both build .venv first; nothing else is needed but Python 3.11+.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ARGS   ?=

# Hundreds of processes start in the tests: what one has compiled the next need not.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-import test-model-server test-flower audit lock wheel fuzz lint bench clean

demo: $(VENV)/.installed
	$(BIN)/cds demo $(ARGS)

# While types are checked one process compiles the tests, or each of pytest's three would do so by itself.
test: $(VENV)/.installed-dev
	scripts/test-system-packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(if $(ARGS),,$(BIN)/pytest --collect-only -qq >/dev/null 2>&1 & )$(BIN)/mypy && wait
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

# Published checkpoints against the frameworks they come from; torch is heavy, so it has an environment of its own.
test-import: .venv-import/.installed
	.venv-import/bin/python -m pytest -c tests/import_networks/pytest.ini tests/import_networks -p no:cacheprovider $(ARGS)

# Any pip that finds the CPU build of torch takes it; elsewhere the plain one, which may bring a GPU's libraries along.
.venv-import/.installed: pyproject.toml $(wildcard tests/import_networks/requirements*.txt)
	$(PYTHON) -m venv .venv-import
	.venv-import/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0+cpu || \
	.venv-import/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	.venv-import/bin/python -m pip install --quiet --disable-pip-version-check -e '.[imaging]' \
	  -r tests/import_networks/requirements-with-dependencies.txt
	.venv-import/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  -r tests/import_networks/requirements.txt
	touch $@

# Networks on a real Triton, whose old numpy wants an environment of its own.
test-model-server: $(VENV)/.installed-dev .venv-triton/.installed
	$(BIN)/pytest tests/model_server $(ARGS)

.venv-triton/.installed: tests/model_server/requirements.txt
	$(PYTHON) -m venv .venv-triton
	.venv-triton/bin/python -m pip install --quiet --disable-pip-version-check -r tests/model_server/requirements.txt
	touch $@

# A round carried by real Flower processes, whose versions of shared libraries want an environment of their own.
test-flower: .venv-flower/.installed
	.venv-flower/bin/python -m pytest -c tests/flower/pytest.ini tests/flower -p no:cacheprovider $(ARGS)

.venv-flower/.installed: pyproject.toml
	$(PYTHON) -m venv .venv-flower
	.venv-flower/bin/python -m pip install --quiet --disable-pip-version-check -e '.[flower]' 'pytest>=8.3' 'pytest-timeout>=2.3'
	touch $@

# Static findings, a bill of materials (dist/sbom.cdx.json), known vulnerabilities.
audit: .venv-audit/.installed
	scripts/audit

# requirements.lock anew; ARGS=--upgrade for newer versions.
lock: .venv-audit/.installed
	scripts/lock $(ARGS)

.venv-audit/.installed: scripts/audit-tools.txt
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/python -m pip install --quiet --disable-pip-version-check -r scripts/audit-tools.txt
	touch $@

# The same commit gives the same bytes, wherever and whenever it is built.
wheel: $(VENV)/.installed-dev
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m hatchling build -t wheel -d dist

# Bad input for everything that reads bytes: make fuzz ARGS='--seconds 600'
fuzz: $(VENV)/.installed-dev
	$(BIN)/python scripts/fuzz $(ARGS)

bench: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/run.py $(ARGS)

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# What the images have is what is tried here: every package that the lock names, at its version. Without the hashes, beside
# which pip installs nothing editable.
$(VENV)/constraints.txt: requirements.lock | $(VENV)/bin/python
	sed -e '/^ *--hash=/d' -e 's/ *\\$$//' requirements.lock > $@

$(VENV)/.installed: pyproject.toml $(VENV)/constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(VENV)/constraints.txt -e '.[imaging,report]' || { \
	echo "a version of requirements.lock can't be had here: the newest that fit are tried instead" >&2; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[imaging,report]'; }
	touch $@

$(VENV)/.installed-dev: pyproject.toml $(VENV)/constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(VENV)/constraints.txt -e '.[dev]'
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) .venv-import .venv-triton .venv-flower .venv-audit var .cache dist
