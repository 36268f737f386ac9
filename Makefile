# The member hub's commands. `make up` and `make test` need nothing but Python 3.11, make and a package index.

PYTHON ?= python3
WORKERS ?= 2
PY := .venv/bin/python
PIP := $(PY) -m pip --disable-pip-version-check -q install --require-hashes -r
COMPILE := .venv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
DEVELOPMENT = HUB_MODE=development HUB_SANDBOX=1
PINS = .venv/pins
TRANSLATIONS = $$(find config sync members loyalty orders -name django.po)
# Secrets and addresses of a production hub that is only looked at, never started.
DEPLOYED = $$($(PY) -m config.keys) HUB_MODE=production HUB_SANDBOX=0 DEBUG=0 PUBLIC_URL=https://hub.example \
	DATABASE_URL=postgresql://hub@127.0.0.1/hub REDIS_URL=redis://127.0.0.1/0

define NEW_VENV
command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed: install python3" >&2; exit 1; }; \
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "Python 3.11 or newer is needed, this is $$($(PYTHON) -V): set PYTHON=/path/to/python3" >&2; exit 1; }; \
$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	{ echo "This Python cannot make virtual environments: install the package python3-venv" >&2; exit 1; }; \
$(PYTHON) -m venv --clear .venv
endef

.PHONY: up reset test test-slow faults bench check lint floors migrations deployable pins-in-step messages-in-step lock messages \
	runtime development venv
.NOTPARALLEL:

up: runtime ## The whole hub in this terminal
	@given() { printenv $$1 || sed -n "s/^\(export  *\)\{0,1\}$$1 *= *//p" .env 2>/dev/null | tail -n 1; }; \
	mode=$$(given HUB_MODE | tr -d "'\""); sandbox=$$(given HUB_SANDBOX); \
	if [ -z "$$mode" ]; then mode=development; export HUB_MODE=$$mode; fi; \
	if [ "$$mode" = development ] && [ -z "$$sandbox" ]; then export HUB_SANDBOX=1; fi; \
	exec $(PY) manage.py up

reset: runtime ## Delete what the hub keeps in .data/
	@HUB_MODE=$${HUB_MODE:-development} $(PY) manage.py up --reset

test: development ## The suite but for its long tests
	@$(PY) -m pytest -n $(WORKERS) -m "not slow" $(ARGS)

test-slow: development ## The long tests: whole journeys, faults, browsers
	@$(PY) -m pytest -m slow $(ARGS)

faults: development ## Processes and Valkey die at random for a minute under load; HUB_FAULTS_SEED=7 is another minute
	@HUB_FAULTS_SECONDS=$${HUB_FAULTS_SECONDS:-60} $(PY) -m pytest tests/faults $(ARGS)

bench: development ## What it costs against the least it can cost: all benches, or BENCH=ledger; SCALE=0.01 is quick
	@$(PY) -m tests.bench $(BENCH)

check: development ## All that can be said without running the suite
	@$(MAKE) --no-print-directory --keep-going lint floors migrations deployable pins-in-step messages-in-step

lint:
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

floors:
	.venv/bin/lint-imports

migrations:
	$(DEVELOPMENT) DATABASE_POOL=0 $(PY) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run

deployable:
	$(DEVELOPMENT) $(PY) manage.py check --fail-level WARNING
	@echo "manage.py check --deploy --fail-level WARNING, as in production"
	@env $(DEPLOYED) $(PY) manage.py check --deploy --fail-level WARNING
	$(PY) -m pip --disable-pip-version-check check

pins-in-step:
	@mkdir -p $(PINS)/tests && cp requirements.txt $(PINS)/ && cp tests/requirements.txt $(PINS)/tests/
	@$(COMPILE) pyproject.toml -o $(PINS)/requirements.txt
	@$(COMPILE) --group dev pyproject.toml -o $(PINS)/tests/requirements.txt
	@diff -u requirements.txt $(PINS)/requirements.txt && diff -u tests/requirements.txt $(PINS)/tests/requirements.txt \
		|| { echo "The pins are not in step with pyproject.toml: run make lock" >&2; exit 1; }
	@echo "pins are in step with pyproject.toml"

lock: development ## Compile the pins anew from pyproject.toml, newest versions that fit
	$(COMPILE) --upgrade pyproject.toml -o requirements.txt
	$(COMPILE) --upgrade --group dev -c requirements.txt pyproject.toml -o tests/requirements.txt

messages: development ## Compile the translations
	@for po in $(TRANSLATIONS); do .venv/bin/pybabel -q compile -l zh_Hans -i $$po -o $${po%.po}.mo || exit 1; done

messages-in-step:
	@for po in $(TRANSLATIONS); do \
		.venv/bin/pybabel -q compile -l zh_Hans -i $$po -o .venv/messages.mo && cmp .venv/messages.mo $${po%.po}.mo \
			|| { echo "$$po is not compiled: run make messages" >&2; exit 1; }; done
	@echo "translations are compiled"

runtime: venv
	@cmp -s requirements.txt .venv/runtime.txt || { echo "Installing what the hub needs" \
		&& $(PIP) requirements.txt && cp requirements.txt .venv/runtime.txt; }

development: venv
	@cmp -s tests/requirements.txt .venv/development.txt || { echo "Installing what development needs" \
		&& $(PIP) tests/requirements.txt && cp tests/requirements.txt .venv/development.txt; }

venv:
	@[ -w . ] || { echo "This folder cannot be written: copy the hub to one that can" >&2; exit 1; }
	@[ -f .venv/complete ] || { \
		$(PY) -m pip --version >/dev/null 2>&1 || { $(NEW_VENV); } && touch .venv/complete; }
