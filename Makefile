# Everything that these targets create is inside this folder; `make clean` removes it.

AIRFLOW ?= 3.3.2
PYTHON ?= python3
AIRFLOWS := 3.3.2 3.0.6 3.4.0b2
PYTEST_ARGS ?= -n 2

VENV := .venv/airflow-$(AIRFLOW)
BIN := $(VENV)/bin
UV := .venv/tools/bin/uv
INSTALLED := $(VENV)/.installed
BENCH := .venv/bench
BENCH_INSTALLED := $(BENCH)/.installed

export UV_CACHE_DIR := $(CURDIR)/.cache/uv
export PIP_CACHE_DIR := $(CURDIR)/.cache/pip
export XDG_CACHE_HOME := $(CURDIR)/.cache
export TMPDIR := $(CURDIR)/.cache/tmp
export UV_PYTHON_DOWNLOADS := never
# Else each of a suite's many processes would compile Airflow again.
export PYTHONDONTWRITEBYTECODE :=
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export AIRFLOW_HOME ?= $(CURDIR)/.cache/airflow-$(AIRFLOW)

N ?= 1000
SEED ?=
BATCH ?=
ONLY ?=
QUICK ?=
PORT ?=

# What has nothing to do with Airflow gives the same result on each of its versions.
WITHOUT_AIRFLOW := $(addprefix tests/unit/,api emulator landing report submission/batch transport waiting test_client.py \
	test_benchmark_report.py) \
	$(addprefix tests/integration/,fault_matrix relays test_callback_sender.py test_docs.py \
	test_emulator_running.py test_landing_faults.py test_object_store.py test_pytest_plugin.py)

.PHONY: help demo up test compatibility unit chaos-test integration chaos system clears browser browser-env bench models lint format types check env constraints clean

help: ## Show this list.
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

demo: $(INSTALLED) ## Turn the example pictures into videos through a real, local Airflow.
	$(BIN)/python scripts/demo.py

up: $(INSTALLED) ## Start Airflow's UI, the local Vidu and the examples, to click around; Ctrl-C stops it (PORT=8080).
	$(BIN)/python scripts/up.py $(if $(PORT),--port $(PORT))

test: unit chaos-test integration ## Run the whole suite (AIRFLOW=3.0.6 for another Airflow).

compatibility: $(INSTALLED) ## Of the suite what depends on Airflow's version (AIRFLOW=3.0.6).
	$(BIN)/python -m pytest tests/unit tests/chaos tests/integration $(addprefix --ignore=,$(WITHOUT_AIRFLOW)) $(PYTEST_ARGS)

unit: $(INSTALLED)
	$(BIN)/python -m pytest tests/unit $(PYTEST_ARGS)

chaos-test: $(INSTALLED)
	$(BIN)/python -m pytest tests/chaos $(PYTEST_ARGS)

chaos: $(INSTALLED) ## Run random accidents (N=10000 runs; SEED=7 shows one of them; BATCH=1 for the batch operator).
	cd tests && $(CURDIR)/$(BIN)/python -m chaos.drive $(if $(BATCH),--batch) $(if $(SEED),--seed $(SEED),--runs $(N))

integration: $(INSTALLED)
	$(BIN)/python -m pytest tests/integration $(PYTEST_ARGS)

system: $(INSTALLED) ## Test real Airflow processes, kills and hand-overs (AIRFLOW=3.3.2).
	$(BIN)/python -m pytest tests/system

clears: $(INSTALLED) ## Run only the system tests of clears (AIRFLOW=3.4.0b2, whose clear discards the task state).
	$(BIN)/python -m pytest tests/system/test_clears.py

browser: $(INSTALLED) ## Test Airflow's UI and a report in a real Chromium (SCREENSHOTS=1 retakes the docs' pictures).
	$(BIN)/python -m pytest tests/browser

# Debian's browser, and a font for its pages.
browser-env:
	@for name in "$(CHROMIUM)" chromium chromium-browser google-chrome; do \
		test -n "$$name" && command -v "$$name" >/dev/null && exit 0; \
	done; apt-get update && apt-get install -y --no-install-recommends chromium fonts-dejavu-core

bench: $(BENCH_INSTALLED) ## Benchmark against other providers (ONLY=waits,queue for some rows, QUICK=1 to try it out).
	PYTHONPATH=scripts:tests $(BENCH)/bin/python -m benchmarks $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick)

models: $(INSTALLED) ## Write docs/models.md from the catalogue of models and prices.
	$(BIN)/python scripts/models_page.py

lint: $(INSTALLED) ## Run ruff, with the Airflow rules, and check the layers of the package.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo --no-cache

format: $(INSTALLED) ## Let ruff fix what it can.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(INSTALLED) ## Run mypy --strict on the package.
	$(BIN)/mypy

check: lint types test ## Run lint, types and the whole suite.

env: $(INSTALLED) ## Create the environment in .venv.

$(UV): constraints/tools.txt
	@mkdir -p $(TMPDIR)
	$(PYTHON) -m venv .venv/tools
	.venv/tools/bin/python -m pip install --quiet -r constraints/tools.txt
	@touch $@

$(INSTALLED): $(UV) pyproject.toml constraints/airflow-$(AIRFLOW).txt
	@mkdir -p $(TMPDIR)
	$(UV) venv --quiet --clear --python "$$($(PYTHON) scripts/suitable_python.py $(AIRFLOW))" $(VENV)
	$(UV) pip install --quiet --compile-bytecode --python $(VENV) -c constraints/airflow-$(AIRFLOW).txt \
		"apache-airflow==$(AIRFLOW)" -e ".[test,lint]"
	@touch $@

# A separate environment: the dependencies of other providers must not change those of the suite.
$(BENCH_INSTALLED): $(UV) pyproject.toml constraints/bench.txt
	@mkdir -p $(TMPDIR)
	$(UV) venv --quiet --clear --python "$$($(PYTHON) scripts/suitable_python.py 3.3.2)" $(BENCH)
	$(UV) pip install --quiet --compile-bytecode --python $(BENCH) -c constraints/bench.txt \
		"apache-airflow==3.3.2" -e ".[test,bench]"
	@touch $@

constraints: $(UV) ## Update the tested versions.
	for version in $(AIRFLOWS); do \
		$(UV) pip compile --quiet --upgrade --universal --extra test --extra lint \
			--python-version "$$($(PYTHON) scripts/suitable_python.py --oldest $$version)" \
			-c constraints/airflow-$$version.in --no-emit-index-url --no-header --no-annotate pyproject.toml \
			-o constraints/airflow-$$version.txt || exit 1; \
	done
	$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --extra test --extra bench \
		-c constraints/bench.in --no-emit-index-url --no-header --no-annotate \
		pyproject.toml -o constraints/bench.txt

clean: ## Remove everything that the other targets created.
	rm -rf .venv .cache .demo .up .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
