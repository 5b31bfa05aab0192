# Two commands: `make demo` and `make test`. Both install what they need into .venv first.
PYTHON ?= python3
VENV := $(CURDIR)/.venv
export PATH := $(VENV)/bin:$(PATH)
export VIRTUAL_ENV := $(VENV)
export DVC_NO_ANALYTICS := 1
export BENTOML_DO_NOT_TRACK := True
export PYTHONDONTWRITEBYTECODE :=
SHARED_OUT := -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: demo test fast portable lint portal portal-types portal-screenshots lock audit sbom clean

demo: $(VENV)/.installed  ## draw the sample photos, run the pipeline, publish, ask for a prediction
	@dahlia demo

test: lint portal $(VENV)/.installed  ## everything, fast tests first
	@pytest -q -m "not slow" $(SHARED_OUT)
	@pytest -q -m slow $(SHARED_OUT)

fast: $(VENV)/.installed  ## the tests that take seconds; PACKAGE=training: those of one package
	@pytest -q -m "not slow" $(if $(PACKAGE),tests/$(PACKAGE),$(SHARED_OUT))

portable: $(VENV)/.installed  ## what must hold on every processor, here and as on two others
	@pytest -q -m portable $(SHARED_OUT)
	@TEST_PROCESSOR=avx2 pytest -q -m portable $(SHARED_OUT)
	@TEST_PROCESSOR=sse pytest -q -m portable $(SHARED_OUT)

lint: $(VENV)/.installed
	@ruff check src tests benchmarks tools
	@ruff format --check -q src tests benchmarks tools
	@mypy
	@lint-imports --no-logo
	@PYTHONPATH=tools python -m portal_build check

portal: $(VENV)/.installed  ## build the web page that `dahlia serve` shows, unless it is up to date
	@PYTHONPATH=tools python -m portal_build build

portal-types: $(VENV)/.installed  ## portal/openapi.json from the API, and the portal's types from it
	@PYTHONPATH=tools python -m portal_build types

portal-screenshots: portal  ## pictures of all its pages, light, dark and on a phone, in .dahlia/portal-screenshots
	@PYTHONPATH=tools:tests:tests/server:tests/tracking:tests/contract:tests/portal python -m portal_screenshots

lock: $(VENV)/.installed  ## renew requirements.lock, and from it those of the roles
	@$(VENV)/bin/python -m pip install -q --disable-pip-version-check uv
	uv pip compile -q --universal --python-version 3.11 --all-extras --group dev --no-header --no-emit-package pip -o requirements.lock pyproject.toml
	@for role in serving server; do \
	  uv pip compile -q --universal --python-version 3.11 --group $$role --constraint requirements.lock --no-header --no-annotate -o requirements-$$role.lock || exit 1; \
	done

audit: $(VENV)/.installed  ## known vulnerabilities in the lock files; AUDIT="--help" says what can be set
	@PYTHONPATH=tools python -m dependencies.audit $(AUDIT)

sbom: $(VENV)/.installed  ## sbom.cdx.json: the packages of the lock files, with their licences (CycloneDX)
	@PYTHONPATH=tools python -m dependencies.sbom

clean:  ## forget what the pipeline made; photos, iterations and the environment stay
	rm -rf .dahlia data/dataset models exports reports dvc.lock .dvc/cache .dvc/tmp

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Dahlia needs Python 3.11 or later, this is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12 demo")'
	@echo "Installing the locked environment into .venv (some minutes, several GB the first time)"
	@$(PYTHON) -m venv $(VENV)
	@# pip compiles with one process, this with all. Where nothing is compiled and the environment forbids Python
	@# to keep what it compiles, each command takes ten seconds more. Some packages hold files that do not compile.
	@$(VENV)/bin/python -m pip install -q --disable-pip-version-check --no-compile -r requirements.lock
	@$(VENV)/bin/python -m compileall -q -q -j 0 $(VENV)/lib || true
	@$(VENV)/bin/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
