# Two commands on a fresh machine: `make demo` shows the whole way of a study, `make run` just starts the exchange.
# Needs Python >= 3.11 with venv, and make. PYTHON=, VENV= and every variable of docs/operations.md may be given.
SHELL = /bin/sh
VENV ?= .venv
PY = $(VENV)/bin/python
STUDIES ?=
export STUDIES
# The environment of a production, enough for its checks and reachable by nobody.
PRODUCTION = SECRET_KEY=0123456789-only-a-check-abcdefghijklmnopqrstuvwxyz-0123456789 \
	PUBLIC_URL=https://exchange.example.org EXCHANGE_KEYS=file:///var/lib/waystation-keys \
	DATABASE_URL=postgres://exchange@db.example.org/exchange CELERY_BROKER_URL=amqp://mq.example.org//

.PHONY: help demo run test tests peers nightly lint bench clean requirements

help:
	@echo "make demo    start everything, send a study, watch it arrive, be pulled and expire (DEMO_EXIT=1: then stop)"
	@echo "make run     start everything and serve until Ctrl-C"
	@echo "make test    lint, types, import rules and every test that packages from PyPI can run"
	@echo "make peers   the programs we did not write: needs root, apt-get and npm; STUDIES=folder of DICOM files"
	@echo "make nightly 5,000 generated requests to an exchange of its own; REQUESTS=, SEED=: that many, the same again"
	@echo "make bench   measure; make lint: the checks alone; make clean: remove the environment, never the data"

demo: $(VENV)/base.stamp
	@EXCHANGE_MIN_LIFETIME=$${EXCHANGE_MIN_LIFETIME:-2} $(PY) manage.py up --then demo $${DEMO_EXIT:+--exit}

run: $(VENV)/base.stamp
	@$(PY) manage.py up

lint: $(VENV)/dev.stamp
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports
	$(PRODUCTION) $(PY) -W ignore manage.py makemigrations --check --dry-run
	$(PRODUCTION) $(PY) manage.py check --deploy --fail-level WARNING

# Side by side: many tests wait for programs that they start and stop.
test: $(VENV)/dev.stamp
	@$(MAKE) --no-print-directory -j 2 lint tests
	@echo "make test passed. Not run: what needs apt, npm or root (make peers), the benchmark (make bench)."

tests: $(VENV)/dev.stamp
	$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not peers"

peers: $(VENV)/dev.stamp
	@VENV=$(VENV) bash tests/peers/run.sh

nightly: $(VENV)/dev.stamp
	@$(PY) tests/fuzz/run.py $${REQUESTS:+--requests $$REQUESTS} $${SEED:+--seed $$SEED} $${ONLY:+--only $$ONLY}

bench: $(VENV)/dev.stamp
	@$(PY) tests/benchmarks/run.py

# After a change of a .in file; needs uv on the PATH. One set of pins serves Python 3.11 to 3.13 on every system.
requirements:
	cd requirements && for set in base dev; do uv pip compile --quiet --universal --python-version 3.11 \
		--generate-hashes --no-header $$set.in --output-file $$set.txt || exit 1; done

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache reports

$(VENV)/base.stamp: requirements/base.txt
	@sh requirements/install.sh $(VENV) base
	@touch $@

# dev.txt holds all of base.txt, so its environment can run the exchange too.
$(VENV)/dev.stamp: requirements/dev.txt requirements/base.txt
	@sh requirements/install.sh $(VENV) dev
	@touch $@ $(VENV)/base.stamp
