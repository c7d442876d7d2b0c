# Everything a stranger needs: make demo, make test. A second run starts at once.

VENV ?= .venv
ARGS ?=
PYTEST_ARGS ?=
export PIP_DISABLE_PIP_VERSION_CHECK = 1

PIP = $(VENV)/bin/python -m pip
INSTALL = $(PIP) install -qq --require-hashes -r
INSTALL_SELF = $(PIP) install -qq --no-deps --no-build-isolation -e .
COMPILE = $(VENV)/bin/uv pip compile pyproject.toml --group build --universal --generate-hashes \
	--python-version 3.11 --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --quiet

.PHONY: help demo test check bench soak lock clean

help: ## show this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

demo: $(VENV)/.ready-to-run ## play a trading day against the sandbox shop; ARGS="--json" and others are passed on
	@$(VENV)/bin/towpath demo $(ARGS)

test: check ## check, then the whole test suite with real RabbitMQ and PostgreSQL; PYTEST_ARGS are passed on
	@echo "Running the tests ..."
	@$(VENV)/bin/python -m pytest -n 3 --dist worksteal $(PYTEST_ARGS)

check: $(VENV)/.ready-to-test ## style, format, types and the contracts between the rooms
	@echo "Checking style, types and contracts ..."
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/ruff format --check --quiet . || \
		{ echo "Some files are not formatted: run $(VENV)/bin/ruff format ."; exit 1; }
	@$(VENV)/bin/python -m mypy
	@$(VENV)/bin/lint-imports --no-logo

bench: $(VENV)/.ready-to-bench ## measure beside Celery and FastStream on real servers; ARGS are passed on
	@$(VENV)/bin/python -m bench $(ARGS)

soak: $(VENV)/.ready-to-test ## ten minutes of load and kills on real servers; ARGS="--seconds 60", "--embedded" and others are passed on
	@$(VENV)/bin/python -m bench.soak $(ARGS)

lock: $(VENV)/bin/python ## resolve pyproject.toml anew into the three lock files
	@$(PIP) install -qq uv
	@$(COMPILE) $(ARGS) -o requirements.lock
	@$(COMPILE) $(ARGS) --extra dev -o requirements-dev.lock
	@$(COMPILE) $(ARGS) --extra dev --extra bench -o requirements-bench.lock
	@echo "Wrote requirements.lock, requirements-dev.lock and requirements-bench.lock."

clean: ## remove the virtual environment and everything the tools made
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.ready-to-run: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing the locked packages into $(VENV) ..."
	@$(INSTALL) requirements.lock
	@$(INSTALL_SELF)
	@touch $@

$(VENV)/.ready-to-test: requirements-dev.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing the locked packages and the test tools into $(VENV) ..."
	@$(INSTALL) requirements-dev.lock
	@$(INSTALL_SELF)
	@touch $@ $(VENV)/.ready-to-run

$(VENV)/.ready-to-bench: requirements-bench.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing the locked packages, the test tools and the peers to measure beside into $(VENV) ..."
	@$(INSTALL) requirements-bench.lock
	@$(INSTALL_SELF)
	@touch $@ $(VENV)/.ready-to-test $(VENV)/.ready-to-run

$(VENV)/bin/python:
	@set -e; found=; \
	for python in python3 python3.14 python3.13 python3.12 python3.11; do \
		if command -v $$python >/dev/null 2>&1 && \
		   $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null; then \
			found=$$python; break; \
		fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "Towpath needs Python 3.11 to 3.14; none was found as python3 or python3.11 to python3.14." >&2; exit 1; \
	fi; \
	if ! $$found -c 'import venv, ensurepip' 2>/dev/null; then \
		echo "$$found cannot make virtual environments: install its venv module (Debian, Ubuntu: apt-get install python3-venv)." >&2; \
		exit 1; \
	fi; \
	echo "Making $(VENV) with $$($$found --version) ..."; \
	$$found -m venv $(VENV)
