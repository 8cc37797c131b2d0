# Two commands on a fresh machine with Python >= 3.11, pip and make:
#   make up     everything installed and running (make demo: with a city in it)
#   make test   everything installed, checked and tested
# Variables: PYTHON (the interpreter), ARGS (passed on to the command).

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
INSTALL := $(BIN)/python deploy/supply/install.py
ARGS ?=
# The first that runs: a version manager's shim may be there without its Python.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo "$$p" && break; done)

.PHONY: up demo test check bench conformance fuzz packages postgresql lock clean bench-smoke peers sim chaos
.DEFAULT_GOAL := up
# A command that failed half-way leaves no stamp.
.DELETE_ON_ERROR:

up: $(VENV)/.run
	@echo "Starting NATS, the database and the services (Ctrl-C stops them)" >&2
	@exec $(BIN)/cabrank up $(ARGS)

# The same with a city in it.
demo: $(VENV)/.run
	@exec $(BIN)/cabrank demo $(ARGS)

# Two lanes beside each other, and the units in what is left of them (tests/lanes.py).
test: check packages
	$(BIN)/python -m pytest -n 2 -m "not containers" $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/unit/schemas/test_kinds.py

.PHONY: containers audit sbom

# compose.yaml and the services against servers in containers. With Docker: the official
# images; on Debian as root without it: tests/containers/engine.sh. With neither: local
# processes, and the tests of compose.yaml are left out.
containers: $(VENV)/.dev postgresql
	@tests/containers/engine.sh sh -ec 'docker compose build --quiet; \
		CABRANK_CONTAINERS=required exec $(BIN)/python -m pytest -m containers \
		tests/containers $(ARGS)'; status=$$?; \
	test $$status = 75 || exit $$status; \
	$(BIN)/python -m pytest -m containers tests/containers $(ARGS)

# Known vulnerabilities of what the lock file names (pip-audit). Where nobody can be asked:
# a failure (75), unless OFFLINE=ok.
OFFLINE ?=
audit: $(VENV)/supply/.done
	@$(VENV)/supply/bin/pip-audit --progress-spinner off --disable-pip --require-hashes \
		--format json --requirement requirements.lock 2>$(VENV)/supply/log \
		| $(BIN)/python deploy/supply/audit.py; status=$$?; \
	test "$$status $(OFFLINE)" = "75 ok" || exit $$status

# What is in it: CycloneDX 1.6.
sbom: $(VENV)/supply/.done
	@mkdir -p dist
	@$(VENV)/supply/bin/cyclonedx-py requirements requirements.lock \
		--pyproject pyproject.toml --output-reproducible --of JSON \
		--output-file dist/sbom.json 2>$(VENV)/supply/log || { cat $(VENV)/supply/log; exit 1; }
	@echo dist/sbom.json

bench: $(VENV)/.run
	$(BIN)/cabrank bench lifecycle $(ARGS)

# Simulated schedules of faults (docs/RELIABILITY.md): SEEDS of them from seed FIRST on.
SEEDS ?= 3000
FIRST ?= 0
JOBS ?= 0
sim: $(VENV)/.dev
	$(BIN)/python -m tests.simulation --seeds $(SEEDS) --first $(FIRST) --jobs $(JOBS)

# Everything at its largest (docs/RELIABILITY.md); `make test` has smaller sizes of it.
.PHONY: sizes
sizes: $(VENV)/.dev
	SIZES=full $(BIN)/python -m pytest --timeout 1800 tests/sizes $(ARGS)

# A system of its own, broken under load for DURATION seconds (docs/RELIABILITY.md).
DURATION ?= 600
chaos: $(VENV)/.run
	$(BIN)/cabrank chaos --duration $(DURATION) $(ARGS)

# Every benchmark runs, tiny: proves that they work, not what they find.
bench-smoke: $(VENV)/.dev
	$(BIN)/python -m pytest -m bench $(ARGS)

# The hot benchmarks of revision BASE and of this tree in turns: ratios, and their spread.
# ARGS="--only fanout --rounds 7"; ARGS=--help tells more.
BASE ?=
.PHONY: bench-compare
bench-compare: $(VENV)/.run
	@exec $(BIN)/python -m tests.bench.compare $(if $(BASE),"$(BASE)") $(ARGS)

# This gateway beside its peers; writes docs/BENCHMARKS.md, in parts (ARGS=--help). Wants
# Debian's redis-server, postgresql, nginx-light, libnginx-mod-nchan, mosquitto and npm, and
# Go; what is missing is left out. The peers get environments of their own.
peers: $(VENV)/.dev
	$(BIN)/python benchmarks/peers/run.py $(ARGS)

# The Autobahn suite (docs/conformance/) is written for Python 2.7; name one with PYTHON2.
PYTHON2 ?= python2.7
conformance: $(VENV)/.dev $(VENV)/autobahn/.done
	$(BIN)/python -m tests.conformance.autobahn "$(PYTHON2)" $(VENV)/autobahn

$(VENV)/autobahn/.done:
	@"$(PYTHON2)" -m pip --version >/dev/null 2>&1 || { \
		echo "The Autobahn suite needs Python 2.7 with pip: make conformance PYTHON2=..." >&2; \
		exit 1; }
	"$(PYTHON2)" -m pip --quiet --disable-pip-version-check install \
		--target $(@D) autobahntestsuite==0.8.2
	@touch $@

# A bounded run of coverage-guided fuzzing, where atheris has a wheel for this Python.
FUZZ ?= -max_total_time=20 -max_len=4096
fuzz: $(VENV)/.dev
	@$(PIP) install --only-binary :all: --target $(VENV)/atheris --upgrade atheris==3.0.0 \
	&& PYTHONPATH=$(VENV)/atheris $(BIN)/python -m tests.fuzz.frame_path $(FUZZ) \
	|| { test ! -d $(VENV)/atheris/atheris && echo "atheris can't be installed here; left out"; }

# ---- what the above need -----------------------------------------------------

$(BIN)/python:
	@test -n "$(PYTHON)" || { \
		echo "cabrank needs Python 3.11 or newer; none was found. Name it: make PYTHON=..." >&2; \
		exit 1; }
	@echo "1/4 An environment in $(VENV), with $(PYTHON)" >&2
	@# Debian splits ensurepip off; the pip that is there then fills the environment.
	@"$(PYTHON)" -m venv $(VENV) >/dev/null 2>&1 || { \
		rm -rf $(VENV) && "$(PYTHON)" -m venv --without-pip $(VENV) \
		&& "$(PYTHON)" -m pip --quiet --python $(VENV)/bin/python install pip; } || { \
		rm -rf $(VENV); \
		echo "$(PYTHON) can't make a virtual environment: install its venv and pip" \
			"(on Debian: apt-get install python3-venv)." >&2; \
		exit 1; }

# Apart from what is audited.
$(VENV)/supply/.done: Makefile | $(BIN)/python
	@$(BIN)/python -m venv --without-pip $(@D)
	@$(PIP) --python $(@D)/bin/python install pip-audit==2.10.1 cyclonedx-bom==7.5.0
	@touch $@

# What builds our own package, and a locked one that comes as source: without isolation
# pip takes these, which are locked too, instead of fetching some.
$(VENV)/.build: requirements-build.lock | $(BIN)/python
	@echo "2/4 What builds packages" >&2
	@$(INSTALL) requirements-build.lock
	@touch $@

$(VENV)/.run: pyproject.toml requirements.lock $(VENV)/.build
	@echo "3/4 What cabrank needs" >&2
	@$(INSTALL) requirements.lock
	@echo "4/4 cabrank itself" >&2
	@$(PIP) install --no-build-isolation --no-deps -e .
	@$(PIP) check || { echo "requirements.lock is behind pyproject.toml: make lock" >&2; exit 1; }
	@touch $@

$(VENV)/.dev: pyproject.toml requirements-dev.lock $(VENV)/.build
	@echo "3/4 What cabrank and its tests need" >&2
	@$(INSTALL) requirements-dev.lock
	@echo "4/4 cabrank itself" >&2
	@$(PIP) install --no-build-isolation --no-deps -e .
	@$(PIP) check || { echo "requirements-dev.lock is behind pyproject.toml: make lock" >&2; exit 1; }
	@touch $@ $(VENV)/.run

# Debian's packages that the tests need, and what tells that each is there. What is tried
# against a real one: databases, dashboards and alerts, the pages, the JavaScript client's
# own tests, nats-server's fsyncs (left out where there is no strace). Where ARGS
# names tests, only what these need.
PACKAGES := postgresql prometheus chromium nodejs strace
needs-unit := nothing
needs-simulation := nothing
needs-contract := postgresql
needs-e2e := postgresql prometheus
needs-chaos := postgresql strace
needs-browser := chromium
needs-web := nodejs
folders := $(foreach path,$(filter tests/%,$(ARGS)),$(word 2,$(subst /, ,$(path))))
asked := $(sort $(foreach one,$(folders),$(or $(needs-$(one)),$(PACKAGES))))
needed := $(if $(folders),$(filter-out nothing,$(asked)),$(PACKAGES))
there-postgresql = ls /usr/lib/postgresql/*/bin/initdb || command -v initdb
there-prometheus = command -v promtool
there-chromium = command -v chromium
there-nodejs = command -v node
there-strace = command -v strace
lacking = $(foreach one,$(1),{ $(there-$(one)); } >/dev/null 2>&1 || printf ' %s' $(one);)

packages: WANTED := $(needed)
postgresql: WANTED := postgresql
packages postgresql:
	@lacking=$$($(call lacking,$(WANTED))); \
	test -n "$$lacking" || exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing$$lacking for the tests"; \
		apt-get -qq update >/dev/null; \
		DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
			$$lacking >/dev/null; \
	fi; \
	lacking=$$($(call lacking,$(filter-out strace,$(WANTED)))); \
	test -z "$$lacking" || { \
		echo "The tests need Debian's$$lacking: install what is missing," \
			"or run make test as root on Debian." >&2; \
		exit 1; \
	}

LOCKED := $(BIN)/uv pip compile --universal --python-version 3.11 \
	--generate-hashes --no-annotate --no-emit-index-url --quiet --no-header

# The third: what builds wheels (hatchling with editables ours, setuptools that of nkeys).
# The last: what makes a client of /openapi.json, apart from ours (tests/support/generator.py).
lock: | $(BIN)/python
	$(PIP) install --require-hashes -r requirements-uv.lock
	$(LOCKED) pyproject.toml $(ARGS) --extra otel --extra trial -o requirements.lock
	$(LOCKED) pyproject.toml $(ARGS) --extra dev -o requirements-dev.lock
	printf 'hatchling>=1.27\neditables>=0.5\nsetuptools>=80\n' | $(LOCKED) - $(ARGS) -o requirements-build.lock
	echo 'uv>=0.13' | $(LOCKED) - $(ARGS) -o requirements-uv.lock
	echo 'openapi-python-client>=0.29,<0.30' | $(LOCKED) - $(ARGS) -o requirements-generator.lock

clean:
	rm -rf $(VENV) build dist reports .pytest_cache .mypy_cache .ruff_cache \
		.import_linter_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
