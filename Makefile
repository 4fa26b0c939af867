# What a person types; `make` alone lists it. The work is in scripts/prepare.py and in `hyperllama`.

PYTHON  ?= python3
VENV    ?= .venv
# cpu, cuda, metal, vulkan or hip: what llama.cpp is built for
BACKEND ?= cpu
TASK    ?= sample_tasks/breast_cancer.toml
# more words for `hyperllama run` or for pytest
ARGS    ?=
WORKERS ?= 3

BIN   := $(VENV)/bin
READY := $(VENV)/ready
EDITS := pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run open test mutate check lint types imports llama models wheelhouse clean FORCE

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' Makefile
	@echo
	@echo "  PYTHON=python3.12   another Python (3.10 to 3.13)      TASK=my.toml   another task"
	@echo "  BACKEND=cuda        also metal, vulkan, hip            ARGS='--budget 40'"

run: $(READY)/packages $(READY)/llama-$(BACKEND) ## set everything up, then tune a sample task with the embedded model
	@command -v hyperllama >/dev/null || echo "hyperllama is $(BIN)/hyperllama; by its name it is found after: . $(BIN)/activate"
	$(BIN)/hyperllama run $(TASK) $(ARGS)

open: $(READY)/packages $(READY)/llama-$(BACKEND) ## set everything up, then open the interface
	$(BIN)/hyperllama

test: $(READY)/dev $(READY)/llama-$(BACKEND) ## the test suite
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

mutate: $(READY)/dev $(READY)/llama-$(BACKEND) ## do the tests notice wrong code? minutes; ARGS='--only core/space'
	$(BIN)/python scripts/mutate.py $(ARGS)

check: lint types imports test ## style, types, import contracts, tests: what has to pass before a change goes in

lint: $(READY)/dev ## style
	$(BIN)/ruff check .

types: $(READY)/dev ## types
	@if $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then $(BIN)/mypy; \
	else echo "Types are checked on Python 3.11 and later: numpy's annotations are newer there."; fi

imports: $(READY)/dev ## tui -> core -> models, and what each may load
	$(BIN)/lint-imports --no-logo

llama: $(READY)/llama-$(BACKEND) ## llama.cpp alone, for BACKEND

models: $(READY)/venv ## a small chat model for the tests, into the user's cache (ARGS=gemma: another one)
	@$(BIN)/python scripts/models.py $(ARGS)

wheelhouse: $(READY)/venv ## every package as a file, for a machine with no network
	$(BIN)/python scripts/prepare.py wheelhouse wheelhouse

clean: ## remove the environment and everything made here (built wheels stay in the user's cache)
	rm -rf $(VENV) build dist wheelhouse hyperllama.egg-info .mypy_cache .ruff_cache .pytest_cache
	rm -rf .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Each file in $(READY) says that a step is done; a change of the file it depends on repeats the step.

# The file holds the place of the environment, which works nowhere else: one that was moved or carried
# here with its folder, or whose Python is gone, is made again, and so is everything in it.
$(READY)/venv: FORCE
	@made=$$(cat $@ 2>/dev/null); here=$$(cd $(VENV) 2>/dev/null && pwd -P); \
	if [ "$${made:-$$here}" = "$$here" ] && $(BIN)/python -c pass 2>/dev/null; \
	then [ -f $@ ] && exit 0; \
	else $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { \
	  echo "HyperLlama needs Python 3.10 to 3.13, and '$(PYTHON)' is: $$($(PYTHON) --version 2>&1)."; \
	  echo "Name another one: make run PYTHON=python3.12"; exit 1; }; \
	$(PYTHON) -m venv --clear $(VENV) || { \
	  echo "'$(PYTHON) -m venv' failed. On Debian and Ubuntu: apt install python3-venv"; exit 1; }; \
	fi; mkdir -p $(READY) && (cd $(VENV) && pwd -P) > $@

$(READY)/packages: $(READY)/venv $(EDITS)
	@$(BIN)/python scripts/prepare.py packages
	@touch $@

$(READY)/dev: $(READY)/venv $(EDITS)
	@$(BIN)/python scripts/prepare.py packages --dev
	@touch $(READY)/packages $@

$(READY)/llama-$(BACKEND): $(READY)/venv constraints.txt scripts/llama_cpp_build.cmake
	@$(BIN)/python scripts/prepare.py llama --backend $(BACKEND)
	@rm -f $(READY)/llama-* && touch $@
