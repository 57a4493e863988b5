# What a person types. `make` alone lists the targets; each installs what it needs into .venv and the user's cache.

.DEFAULT_GOAL := help
SHELL := /bin/sh
DIR ?= playground
MINUTES ?= 3

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PACKAGES := crds operator strategy_image
CODE := $(PACKAGES) images tests

.PHONY: help setup check format generate lock demo playground test e2e chaos images sbom audit bench clean

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv: the project, both extras, the tools
$(STAMP): pyproject.toml requirements/dev.txt requirements/uv.txt requirements/install
	@requirements/install $(VENV)
	@touch $@

binaries: $(STAMP)
	@$(BIN)/python -m tests.kube binaries

check: $(STAMP) ## Format, lint, types, import rules
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(STAMP) ## Format and mend what ruff can
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

generate: $(STAMP) ## Write the CRD and its reference page anew from the models
	$(BIN)/python crds/generate.py

lock: $(STAMP) ## Resolve the dependencies anew into requirements/
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.13 --extra operator pyproject.toml -o requirements/operator.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.13 --extra strategy pyproject.toml -o requirements/strategy.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.13 --all-extras pyproject.toml -o requirements/dev.txt
	echo uv | $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.13 --constraint requirements/dev.txt - -o requirements/uv.txt

demo: binaries ## The whole story on an embedded Kubernetes: apply, trade, throttle, kill, crash, delete
	@$(BIN)/python -m tests.demo

playground: binaries ## The same parts left running for you: make playground DIR=playground
	@$(BIN)/python -m tests.kube.playground --dir $(DIR)

test: binaries ## Every test: unit, strategy, operator, chart
	@echo "Tests: unit (pure), strategy (real engine, real processes), operator (real kube-apiserver), chart (real Helm). About 40 minutes on 2 cores."
	@$(BIN)/python -m tests.kube tools
	@$(BIN)/pytest -n 3 --dist worksteal tests/unit tests/monitoring tests/strategy tests/test_ops_integration.py tests/operator tests/chart

e2e: binaries ## As a user has it: images, Helm, a real kubelet. With Docker, or as root: make e2e [CLUSTER=kind|node] [REPORT=e2e.json]
	@$(BIN)/pytest tests/e2e $(if $(CLUSTER),--e2e-cluster $(CLUSTER)) $(if $(REPORT),--e2e-report $(REPORT))

chaos: binaries ## Break everything for a while, then audit: make chaos MINUTES=30 [SEED=7] [REPORT=chaos.json]
	@$(BIN)/python -m tests.chaos --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) $(if $(REPORT),--report $(REPORT))

images: $(STAMP) ## Build the two images, as docs/images.md says, and look at what is in them
	@$(BIN)/python -m tests.images
	@$(BIN)/pytest -q tests/images

sbom: $(STAMP) ## List what is in the images, into build/sbom
	@$(BIN)/python -m tests.images sbom build/sbom

audit: $(STAMP) ## Ask for known vulnerabilities of what goes into the images (network): make audit [AUDIT="-s osv"]
	$(BIN)/pip-audit --strict --disable-pip --require-hashes --requirement requirements/operator.txt --requirement requirements/strategy.txt $(AUDIT)

bench: binaries ## Measure; writes docs/benchmarks.md and docs/benchmarks-fleet.md
	@$(BIN)/python -m tests.bench
	@$(BIN)/python -m tests.bench --fleet

clean: ## Remove .venv and caches of this checkout
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .import_linter_cache
