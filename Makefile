# Every command that people need. `make help` lists them.
.DEFAULT_GOAL := help
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PATIENTS ?= 60
WORKERS ?= 3
export MPSS_HOME ?= $(CURDIR)/.mpss
export NUMBA_NUM_THREADS ?= 1
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
# Images often set it; then every process compiles all that it imports anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install servers demo cluster-demo cluster-kills test check lint types imports sql-style style up down clean bench lock book wheelhouse

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

install: .venv/installed ## install everything into .venv (done by the others when needed)

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] < (3, 13) else "Python 3.11 or 3.12 is needed: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv
	# The lock names everything: nothing is resolved. Modules are compiled when they are first imported: few are.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	$(BIN)/mpss warm
	touch $@

demo: .venv/installed ## synthetic hospital -> PACS -> Airflow -> predictions (PATIENTS=428 for the paper's size)
	$(BIN)/mpss demo --patients $(PATIENTS)

cluster-demo: .venv/installed servers ## the demo on PostgreSQL, Redis and Celery workers (in a home of its own)
	MPSS_HOME=$(MPSS_HOME)-cluster $(BIN)/mpss demo --patients $(PATIENTS) --cluster

cluster-kills: .venv/installed servers ## kill 20 parts of a cluster at work and more, compare the lakes (10 minutes)
	rm -rf $(MPSS_HOME)-kills
	PYTHONPATH=.:plugins:tests $(BIN)/python tests/bench/cluster_kills.py --kills 20 --each 22 --stages ingest --folder $(MPSS_HOME)-kills

servers: ## install the real peers of some tests (Debian, as root; else those tests are skipped)
	tests/install_servers.sh

test: .venv/installed servers ## run every test
	$(BIN)/python -m pytest -n $(WORKERS) --no-loadscope-reorder

lint: types imports sql-style style ## ruff, mypy, import contracts, lengths of functions, SQL, spelling

types: .venv/installed
	$(BIN)/mypy

imports: .venv/installed
	$(BIN)/lint-imports

sql-style: .venv/installed
	$(BIN)/sqlfluff lint --disable-progress-bar sql

style: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tests/function_lengths.py
	$(BIN)/codespell
	$(BIN)/hadolint --failure-threshold warning docker/Dockerfile

wheelhouse: book ## the platform, its book and all that it needs as wheels, for a machine without internet
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock -d build/wheelhouse
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-build-isolation --no-deps --wheel-dir build/wheelhouse .
	cp requirements.lock build/wheelhouse/

book: .venv/installed ## build the documentation into build/book (warnings are errors)
	$(BIN)/python -m sphinx -W --keep-going -q -b html -d build/doctrees docs build/book

check: lint test ## what CI runs: lint, then test

up: .venv/installed ## start this home's Airflow (and demo PACS) again
	$(BIN)/mpss up

down: .venv/installed ## end everything that this home runs
	$(BIN)/mpss down

bench: .venv/installed ## run the benchmarks of minutes, print their figures (hours: see docs/measured)
	@for name in radiomics_study statistics_speed conformal_coverage imaging_speed segmentation_accuracy quality_auc designed_signal; do \
		echo "== $$name"; PYTHONPATH=.:tests $(BIN)/python tests/bench/$$name.py || exit 1; done

lock: ## resolve requirements.lock anew (needs uv)
	uv pip compile pyproject.toml --group dev --extra cluster --no-strip-extras --generate-hashes --no-header --no-annotate --python-version 3.11 -o requirements.lock

clean: ## remove the demo homes and the caches (not .venv)
	-test -x $(BIN)/mpss && $(BIN)/mpss down && MPSS_HOME=$(MPSS_HOME)-cluster $(BIN)/mpss down
	rm -rf $(MPSS_HOME) $(MPSS_HOME)-cluster $(MPSS_HOME)-kills .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
