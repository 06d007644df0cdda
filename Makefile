# Everything a newcomer types. Each target makes .venv by itself from the pinned requirements/*.txt; a second call
# starts at once, and a changed file there means one new install. ARGS goes to the program that a target starts.
PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet --quiet # errors only

# The lists are complete and hashed, so pip has nothing to resolve; the package itself is linked, not copied.
INSTALL := $(PIP) install --no-deps --require-hashes
LINK := $(PIP) install --no-deps --no-build-isolation --editable .
LOCK = "$$uv" pip compile --quiet --universal --generate-hashes --no-emit-index-url --custom-compile-command "make lock" $(ARGS)

.DEFAULT_GOAL := help
.PHONY: help setup serve test check fix bench lock clean

help: ## Say what can be made
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-14s %s\n", $$1, $$2}'

setup: $(VENV)/dev.done ## Install all that working here needs into .venv

serve: $(VENV)/run.done ## Start the server: make serve ARGS="--port 8080"
	@$(BIN)/antiphon serve $(ARGS)

test: $(VENV)/dev.done ## Run the tests: make test ARGS="tests/codecs -x"
	@$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/dev.done ## Run the whole gate, tests included
	@$(BIN)/python scripts/check $(ARGS)

fix: $(VENV)/dev.done ## Mend what can be mended, then run the gate without the tests
	@$(BIN)/python scripts/check --fix --no-tests $(ARGS)

bench: $(VENV)/dev.done ## Measure: make bench ARGS="..."
	@$(BIN)/python -m bench $(ARGS)

lock: ## Write requirements/*.txt anew (needs uv): make lock ARGS="--upgrade"
	@uv=$$(command -v uv) || { echo "make lock needs uv; install it with: pip install uv" >&2; exit 1; }; \
	$(LOCK) pyproject.toml --output-file requirements/run.txt && \
	$(LOCK) --group build --output-file requirements/build.txt && \
	$(LOCK) pyproject.toml --group dev --constraint requirements/run.txt --constraint requirements/build.txt \
		--output-file requirements/dev.txt

clean: ## Remove .venv and everything the tools made
	@rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find src tests bench scripts -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "antiphon needs Python 3.11 or newer and '$(PYTHON)' isn't; name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; \
		exit 1; }
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV) || { \
		rm -rf $(VENV); \
		echo "'$(PYTHON) -m venv' failed; install Python's venv and pip (on Debian and Ubuntu: apt install python3-venv)" >&2; \
		exit 1; }
	@touch $@

$(VENV)/run.done: $(VENV)/made requirements/run.txt requirements/build.txt pyproject.toml
	@echo "installing requirements/run.txt into $(VENV)"
	@$(INSTALL) --requirement requirements/run.txt --requirement requirements/build.txt
	@$(LINK)
	@touch $@

# dev.txt holds all of run.txt and build.txt, in the same versions.
$(VENV)/dev.done: $(VENV)/made requirements/dev.txt pyproject.toml
	@echo "installing requirements/dev.txt into $(VENV)"
	@$(INSTALL) --requirement requirements/dev.txt
	@$(LINK)
	@touch $(VENV)/run.done $@
