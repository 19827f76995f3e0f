# What there is to do here; `make` alone lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
export PATH := $(CURDIR)/.venv/bin:$(PATH)

READY := .venv/ready

define WELCOME

Two schools are open. Their administrator is `Administrator`; a password is shown once, above, when its school is made.

  curl --resolve tech-school.com:8080:127.0.0.1 http://tech-school.com:8080/login
  curl --resolve cuisine-school.com:8080:127.0.0.1 http://cuisine-school.com:8080/learn

To open them in a browser on this machine, add this line to /etc/hosts:

  127.0.0.1 tech-school.com www.tech-school.com cuisine-school.com www.cuisine-school.com

Next: schoolctl --env lab schools; docs/guides/ has more. `make lab-down` takes the server away.
endef
export WELCOME

# The lab on which lms_app is developed, and its school. TESTS=lms_app.tests.test_access runs one module of the app's.
DEV := lab-dev
DEV_SCHOOL := tech-school
DEV_BENCH := schoolctl --env $(DEV) bench $(DEV_SCHOOL) --

.PHONY: help venv requirements lab provision demo lab-down dev dev-test dev-down check test bench bench-lms lint format docs clean

help: ## List what there is to do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(READY) ## Make .venv with everything that is needed, schoolctl in its bin
$(READY): requirements.txt cli/pyproject.toml
	@.ci/ensure-programs ssh=openssh-client git=git || true
	@python=$$(.ci/find-python) && "$$python" -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt --editable cli
	@touch $@

requirements: venv ## Pin requirements.txt anew from requirements.in
	uv pip compile requirements.in --output-file requirements.txt --python-version 3.11 --upgrade --custom-compile-command "make requirements" --quiet

lab: venv ## Make a throw-away server on this machine, bare as from a provider
	schoolctl lab up

provision: venv ## Make the lab's server ready, and keep it so
	schoolctl --env lab provision

demo: venv ## From nothing to two open schools on this machine, each with a demo course
	schoolctl lab up
	schoolctl --env lab provision
	schoolctl --env lab new-school tech-school --with-demo circuits
	schoolctl --env lab new-school cuisine-school --with-demo bread
	@echo "$$WELCOME"

lab-down: venv ## Take the lab away, with all that is on it
	schoolctl lab down

dev: venv ## A lab that runs lms_app as it is saved here, with a school and its demo courses to try it on
	schoolctl lab up --name $(DEV) --bench real --develop
	schoolctl --env $(DEV) provision --no-golden
	schoolctl --env $(DEV) new-school $(DEV_SCHOOL) --with-demo circuits --with-demo bread
	$(DEV_BENCH) migrate

dev-test: venv ## The app's tests on that lab; TESTS=lms_app.tests.test_access for one module
	@[ -e inventories/$(DEV)/hosts.yml ] || { echo 'There is no lab to test on: `make dev` makes it.' >&2; exit 1; }
	$(DEV_BENCH) execute frappe.model.sync.sync_for --args '["lms_app"]'
	$(DEV_BENCH) run-tests --app lms_app --skip-test-records $(if $(TESTS),--module $(TESTS))

dev-down: venv ## Take the lab of `make dev` away
	schoolctl lab down --name $(DEV)

check: venv ## The quick proofs: lint, types, unit, workflow, command, contract, rules
	python .ci/levels.py --quick $(LEVELS)

test: venv ## Every proof that this machine allows; LEVELS="role journey" for some
	python .ci/levels.py $(LEVELS)

bench: venv ## Measure, and write docs/reference/benchmarks.md; PART=cli for one part
	python molecule/bench/measure.py $(PART)

bench-lms: venv ## Measure the pages of a school of 5,000 pupils, for the same page
	python molecule/bench/learning.py

lint: venv ## Only the linters
	python .ci/levels.py --quick lint types

format: venv ## Bring the Python code into its form
	ruff check --fix --quiet .
	ruff format --quiet .

docs: venv ## Write the reference pages that come from the code
	python docs/reference/write_cli.py

clean: ## Remove caches and .venv; labs stay
	rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .ansible
	find . -name __pycache__ -type d -not -path './.lab/*' -prune -exec rm -rf {} +
