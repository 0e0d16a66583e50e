# The only door: every way to run, test, measure and build Nexus is a target of this file.
# `make help` explains them. All set-up (virtual environment, locked dependencies) happens on demand.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Any Python from 3.11 on; name another one with `make PYTHON=python3.13 …`.
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

export UV_PYTHON_DOWNLOADS := never
export UV_PROJECT_ENVIRONMENT := $(CURDIR)/$(VENV)

MEMBERS := $(wildcard libs/*/pyproject.toml services/*/pyproject.toml)

$(READY): pyproject.toml uv.lock $(MEMBERS)
	@if [ -z "$(PYTHON)" ]; then \
		echo "Nexus needs Python 3.11 or newer; none was found. Name one: make PYTHON=/path/to/python3.11" >&2; exit 1; fi
	@echo "Setting up $(VENV) with the locked dependencies (once)"
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV) || { \
		echo "$(PYTHON) can't make a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv sync --quiet --locked --all-packages --python $(BIN)/python
	@touch $(READY)

.PHONY: setup
setup: $(READY) ## Make the virtual environment with the locked dependencies (the other targets do it too)

.PHONY: run
run: $(READY) ## Run Nexus on this machine: scheduler 8080, receiver 8081, supervisor 8082; data in ./.nexus
	@exec $(BIN)/nexus-standalone

.PHONY: demo
demo: $(READY) ## Submit the travelling-salesman example to a running `make run`, wait, print the tour
	@$(BIN)/python -m examples.tsp.demo

.PHONY: test
test: $(READY) ## All tests that need no servers
	@$(BIN)/python -m pytest -n 4 --dist worksteal -m "not integration and not engine" $(ARGS)

# On a laptop that lacks what a server is built with, the tests that need it are skipped.
.PHONY: test-integration
test-integration: $(READY) ## Tests against real servers, which it starts if there are none
	@$(BIN)/python -m tools.testbed up || [ -z "$${CI:-}" ]
	@$(BIN)/python -m tools.testbed up node --if-possible || [ -z "$${CI:-}" ]
	@$(BIN)/python -m pytest -n 3 --dist loadgroup -m integration $(ARGS)

.PHONY: charts-test
charts-test: $(READY) ## Lint and render the charts, install them, run services as they say; starts the testbed
	@$(BIN)/python -m tools.testbed up || [ -z "$${CI:-}" ]
	@$(BIN)/python -m pytest -n 2 --dist loadgroup tests/integration/charts $(ARGS)

MINUTES ?= 1
ON ?= embedded

.PHONY: chaos
chaos: $(READY) ## Break everything for a while, see the promise hold: make chaos MINUTES=10 SEED=7 ON=embedded
	@PYTHONPATH=tests:. $(BIN)/python -m chaos --minutes $(MINUTES) --on $(ON) $(if $(SEED),--seed $(SEED)) $(ARGS)

.PHONY: lint
lint: $(READY) ## Formatting, lint rules, types (mypy strict), import contracts
	@$(BIN)/ruff format --check --quiet . || { $(BIN)/ruff format --diff . ; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo
	@echo "lint: clean"

.PHONY: docs
docs: $(READY) ## Build the documentation as a site into dist/docs, and check every link in it
	@$(BIN)/python -m tools.docs

.PHONY: format
format: $(READY) ## Bring all code into its format and apply the fixes that ruff is sure of
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --fix --quiet .

.PHONY: bench
bench: $(READY) ## Measure speed and memory, as ratios to a bare handler, and on real servers if they run
	@$(BIN)/python -m benchmarks $(ARGS)
	@$(BIN)/python -m benchmarks.real

.PHONY: bench-real
bench-real: $(READY) ## Measure the services on the servers of `make testbed-up`, beside these alone
	@$(BIN)/python -m benchmarks.real $(ARGS)

# The one of Docker's client. Where that has none: COMPOSE=docker-compose, or wherever version 2 is.
COMPOSE ?= docker compose
STACK = $(COMPOSE) --file deploy/compose/compose.yaml
PROFILES ?= $(or $(shell sed -n 's/^COMPOSE_PROFILES=//p' deploy/compose/.env 2>/dev/null),full)

.PHONY: compose-tool
compose-tool:
	@$(COMPOSE) version >/dev/null 2>&1 || { \
		echo "'$(COMPOSE)' is no compose of version 2; install Docker's plug-in, or name one: make COMPOSE=/path/to/docker-compose" >&2; exit 1; }

.PHONY: compose-up
compose-up: compose-tool images $(if $(findstring full,$(PROFILES)),compose-images) ## Start the stack of deploy/compose and wait until it is ready: make compose-up PROFILES=light
	@COMPOSE_PROFILES=$(PROFILES) $(if $(TAG),NEXUS_TAG=$(TAG)) $(STACK) up --detach --wait

.PHONY: compose-images
compose-images: $(READY) ## Hand the image of the examples to the stack's Kubernetes, after make images
	@$(BIN)/python -m tools.compose

.PHONY: compose-down
compose-down: compose-tool ## Stop and remove its containers; keeps its volumes, where your runs are
	@$(STACK) --profile '*' down

.PHONY: compose-clean
compose-clean: compose-tool ## Remove its volumes too: all runs of the stack
	@$(STACK) --profile '*' down --volumes --remove-orphans

.PHONY: compose-test
compose-test: $(READY) ## Check its files, and start it in a Docker engine, where there is one
	@$(BIN)/python -m tools.testbed up engine --if-possible || [ -z "$${CI:-}" ]
	@$(BIN)/python -m pytest tests/integration/compose $(ARGS)

.PHONY: testbed-up
testbed-up: $(READY) ## Start real servers for tests, built once: make testbed-up ARGS='cassandra s3' for some
	@$(BIN)/python -m tools.testbed up $(ARGS)

.PHONY: testbed-node
testbed-node: $(READY) ## Add a real node to the testbed's Kubernetes, on which the examples run; needs root
	@$(BIN)/python -m tools.testbed up kubernetes
	@$(BIN)/python -m tools.testbed up node

.PHONY: testbed-down
testbed-down: $(READY) ## Stop those servers and remove their data; keeps what was built
	@$(BIN)/python -m tools.testbed down $(ARGS)

.PHONY: testbed-status
testbed-status: $(READY) ## Tell which of those servers run
	@$(BIN)/python -m tools.testbed status $(ARGS)

# REGISTRY and TAG change their names, BUILD_IMAGE and BASE_IMAGE what they are made in and upon.
.PHONY: images
images: $(READY) ## Build the images of the services: make images SERVICES='scheduler' for one
	@$(BIN)/python -m tools.testbed up engine --if-possible
	@$(BIN)/python -m tools.images build $(SERVICES)

.PHONY: images-test
images-test: images ## Start each image on a Docker engine, talk to it, let it have bad days
	@$(BIN)/python -m pytest -n 2 -m engine tests/images $(ARGS)

.PHONY: sbom
sbom: images ## List what is in each image, packages with versions and licences: dist/sbom
	@$(BIN)/python -m tools.images sbom $(SERVICES)

.PHONY: clean
clean: ## Remove the virtual environment and caches; keeps ./.nexus, where your runs are
	rm -rf $(VENV) dist/docs dist/.docs dist/sbom .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

.PHONY: help
help: ## Show this
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
