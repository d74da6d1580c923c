# Each target is one short command, written out in README.md for machines without make.
PYTHON ?= $(call first,python3 python3.13 python3.12 python3.11 python3.10)
PYTHON_OLDEST ?= $(call first,python3.11 python3.12 python3.10)
PYTHON_COLAB ?= $(call first,python3.13 python3.12)
BIN := .venv/bin
LESSON ?= 01
LAB ?= 01
FORM = $(if $(filter no,$(CHECKS)),--without-checks)
LOCKED := pyproject.toml requirements.txt $(wildcard requirements/*.txt)

# Two processes; a file stays whole, so that a notebook is executed once; the long ones come first.
TEST := -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# The first of these interpreters that is there and of a version that the course supports.
SUPPORTED := import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))
first = $(shell for p in $(1); do $$p -c "$(SUPPORTED)" 2>/dev/null && echo $$p && break; done)
# Make a virtual environment with such an interpreter, or say what is missing.
define venv
	@$(or $(1),false) -c "$(SUPPORTED)" 2>/dev/null || \
	  { echo "This needs Python 3.10 to 3.13; name one: make $(MAKECMDGOALS) $(3)=/path/to/python"; exit 1; }
	@echo "Installing into $(2): 2 GB, once, a few minutes."
	$(1) -m venv $(2)
endef

.DEFAULT_GOAL := help
.PHONY: help lab check progress test test-full test-oldest test-colab test-site test-hub notebooks solution results \
  release grade site publish doctor lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

lab: .venv/student ## Install the course and open JupyterLab on it
	$(BIN)/jupyter lab --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate \
	  --LabApp.extension_manager=readonly $(if $(filter 0,$(shell id -u)),--allow-root)

check: .venv/student ## Check a filled-in lab before handing it in: make check LAB=03
	$(BIN)/python -m grading.handin $(LAB)

progress: .venv/student ## Show what has passed in all labs
	$(BIN)/python -m nnlabs.progress

release: .venv/dev ## Write a lab for students, with a zip: make release LAB=03 (CHECKS=no: without the checks)
	$(BIN)/python -m grading.release $(LAB) $(FORM)

grade: .venv/dev ## Grade a class: make grade LAB=03 SUBMISSIONS=dir
	$(BIN)/python -m grading $(LAB) "$(or $(SUBMISSIONS),$(error Name a folder: make grade SUBMISSIONS=dir))"

test: .venv/dev ## Run every test, and every notebook in the smoke budget
	$(BIN)/python $(TEST)

test-full: .venv/dev ## Run every notebook in the cpu budget: targets are judged, minutes shown
	NNLABS_BUDGET=cpu $(BIN)/python -m pytest notebooks solutions labs

test-oldest: .venv-oldest/dev ## The tests with the oldest supported versions (Keras 3.10, TensorFlow 2.19)
	.venv-oldest/bin/python $(TEST)

test-colab: .venv-colab/dev ## The tests with Google Colab's versions
	.venv-colab/bin/python $(TEST)

test-site: site ## Build the site, and look at every page of it in a Chromium
	$(BIN)/python -m pytest -p no:xdist tests/site

test-hub: .venv-hub/hub ## The course on a JupyterHub of this machine: pull, work, hand in, collect (needs npm)
	.venv-hub/bin/python -m pytest -o addopts= -p no:cacheprovider tests/hub

notebooks: .venv/dev ## Build the notebooks from lessons/, executing what changed
	$(BIN)/python -m tools.build

solution: .venv/student ## Execute one solution: make solution LESSON=02
	$(BIN)/python -m tools.execute $(LESSON)

results: .venv/dev ## Collect the headline figures of the executed notebooks into RESULTS.md
	$(BIN)/python -m tools.results

site: .venv/site ## Build the course as a site, in build/site
	$(BIN)/python -m tools.site

publish: .venv/dev ## Put the address of your own copy everywhere: make publish REPOSITORY=https://github.com/me/course
	$(BIN)/python -m tools.publish "$(or $(REPOSITORY),$(error Name it: make publish REPOSITORY=https://github.com/me/course))" \
	  $(if $(BRANCH),--branch $(BRANCH)) $(if $(HUB),--hub $(HUB))

doctor: .venv/student ## Tell what is fine on this machine, what is not, what to do
	$(BIN)/python -m nnlabs.doctor

lock: .venv/dev ## Resolve the newest allowed versions into requirements/lock.txt
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --universal --python-version 3.10 --extra lab --extra site pyproject.toml \
	  --upgrade --quiet --no-annotate --no-header --no-emit-index-url --no-emit-find-links -o requirements/lock.txt

clean: ## Remove the environments and everything that is rebuilt; notebooks and grades stay
	rm -rf .venv .venv-oldest .venv-colab .venv-hub dist .ruff_cache
	[ ! -d build ] || find build -mindepth 1 -maxdepth 1 ! -name grading -exec rm -rf {} +
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/student: $(LOCKED)
	$(call venv,$(PYTHON),.venv,PYTHON)
	$(BIN)/python -m pip install -r requirements.txt
	@touch $@

.venv/dev: $(LOCKED)
	$(call venv,$(PYTHON),.venv,PYTHON)
	$(BIN)/python -m pip install --quiet -r requirements/dev.txt
	@touch $@ .venv/student

.venv/site: $(LOCKED)
	$(call venv,$(PYTHON),.venv,PYTHON)
	$(BIN)/python -m pip install --quiet -r requirements/site.txt
	@touch $@ .venv/dev .venv/student

.venv-oldest/dev: $(LOCKED)
	$(call venv,$(PYTHON_OLDEST),.venv-oldest,PYTHON_OLDEST)
	.venv-oldest/bin/python -m pip install --quiet -c requirements/oldest.txt -e ".[lab,dev]"
	@touch $@

.venv-hub/hub: $(LOCKED)
	$(call venv,$(PYTHON),.venv-hub,PYTHON)
	.venv-hub/bin/python -m pip install --quiet -r requirements/hub.txt
	npm install --silent --no-fund --no-audit --prefix .venv-hub configurable-http-proxy@5
	@touch $@

.venv-colab/dev: $(LOCKED)
	$(call venv,$(PYTHON_COLAB),.venv-colab,PYTHON_COLAB)
	.venv-colab/bin/python -m pip install --quiet -r requirements/colab.txt -e . nbval hatchling playwright pytest-xdist
	@touch $@
