# Needs git, make and Python 3.11 or newer; all else is installed into .venv, from files with pinned hashes.
PYTHON ?= python3
WORKERS ?= 2
PYTEST_ARGS ?=

VENV := .venv
PY := $(VENV)/bin/python
UV := $(VENV)/bin/uv
STAMP := $(VENV)/.installed
MEMBERS := proofs/python server clients/python
INPUTS := requirements-uv.lock requirements.lock pyproject.toml $(MEMBERS:%=%/pyproject.toml)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-postgres check format serve bench bench-report soak soak-mutants lock vectors screenshots docs clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP)  ## make .venv and install the locked packages (the others do this when needed)

demo: $(STAMP)  ## a billing cycle on a real server, in a temporary folder
	@$(VENV)/bin/pacspace demo

TEST = $(PY) -m pytest -q -n $(WORKERS) --dist worksteal
test: $(STAMP)  ## every day's tests: fewer repetitions than `make check`, no wheels, no browser (PYTEST_ARGS="-k receipt" for a few)
	@$(TEST) -m "not (wheels or browser or soak or newest)" $(PYTEST_ARGS)

test-postgres: $(STAMP)  ## those of PostgreSQL's newest version, then the black-box tests on PostgreSQL (POSTGRES=18), with one process and two
	@$(TEST) -m newest $(PYTEST_ARGS) server/tests
	@for processes in 1 2; do CONFORMANCE_ENGINE=postgres CONFORMANCE_WORKERS=$$processes \
	  FULL_TESTS=1 $(TEST) -m "not (wheels or browser)" $(PYTEST_ARGS) conformance || exit 1; done

check: $(STAMP)  ## lint, format, types, imports, every test: also wheels, browser, faults, the newest PostgreSQL
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	$(PY) -m mypy --python-version 3.10 proofs/python/src clients/python/src
	$(VENV)/bin/lint-imports --no-logo
	@FULL_TESTS=1 $(TEST) --durations=20 $(PYTEST_ARGS)

format: $(STAMP)  ## put the code into its one format, fix what can be fixed
	$(PY) -m ruff check --fix
	$(PY) -m ruff format

serve: $(STAMP)  ## start a server on this machine
	@$(VENV)/bin/pacspace serve

BENCH_ARGS ?= --json bench/figures.json
bench: $(STAMP)  ## the speed and memory figures of both engines (BENCH_ARGS=--quick for a short form)
	@$(PY) bench/run.py $(BENCH_ARGS)

bench-report: $(STAMP)  ## write docs/benchmark.md and its plots anew from bench/figures.json
	@$(PY) bench/report.py bench/figures.json docs

soak: $(STAMP)  ## a campaign of faults on real servers (ENGINE=postgres ROUNDS=200 SEED=... FAULT=kill)
	@$(PY) -m soak --engine $(or $(ENGINE),sqlite) --rounds $(or $(ROUNDS),200) $(if $(SEED),--seed $(SEED)) \
	  $(if $(FAULT),--fault "$(FAULT)") $(SOAK_ARGS)

soak-mutants: $(STAMP)  ## bugs planted into the server, each of which the campaign must find (BUG=...)
	@$(PY) -m soak.mutation $(if $(SEED),--seed $(SEED)) $(if $(BUG),--bug "$(BUG)")

vectors: $(STAMP)  ## write the test vectors anew
	@$(PY) -m proofs.vectors.generate

screenshots: $(STAMP)  ## take the pictures of docs/dashboard.md anew
	@$(PY) -m conformance.browser.screenshots

docs: $(STAMP)  ## write docs/reference/ anew
	@$(PY) docs/make_reference.py

# Keeps the versions that are there; UPGRADE=--upgrade takes the newest. docs/decisions/0002-lock-file-without-hosts.md
UPGRADE ?=
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command "make lock" $(UPGRADE)
lock: | $(UV)  ## write requirements.lock (UPGRADE=--upgrade for the newest versions)
	$(COMPILE) pyproject.toml server/pyproject.toml clients/python/pyproject.toml --extra postgres --extra pdf --group dev --no-emit-package pacspace-proofs -o requirements.lock
	echo uv | $(COMPILE) - -o requirements-uv.lock

clean:  ## remove .venv and everything else that was made here
	rm -rf $(VENV) build dist .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(UV): requirements-uv.lock
	@found=; for python in $(PYTHON) python3.14 python3.13 python3.12 python3.11; do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "PacSpace needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>/dev/null || echo missing)." >&2; \
	  echo "Install one, or name it: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; \
	fi; \
	echo "setting up $(VENV) with $$("$$found" --version) (once; about a minute)"; \
	"$$found" -m venv --clear $(VENV) || { \
	  echo "Python could not make $(VENV). On Debian and Ubuntu: apt-get install python3-venv" >&2; rm -rf $(VENV); exit 1; }
	@$(PY) -m pip install --quiet --require-hashes -r requirements-uv.lock
	@touch $(UV)

$(STAMP): $(UV) $(INPUTS)
	@$(UV) pip sync --quiet --python $(PY) --require-hashes requirements.lock
	@$(UV) pip install --quiet --python $(PY) --no-deps $(MEMBERS:%=-e %)
	@touch $(STAMP)
