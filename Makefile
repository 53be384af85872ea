# Needs make and Python 3.11 to 3.13 (3.11 is what we test with). Everything else goes into .venv (nbgrader, for the tests: beside it).
#   make lab     set up, then open the first lesson        make test    set up, then run every test
#   make setup   only prepare .venv                               make bench   how fast it is: docs/speed.md
#   make lint    ruff: check and format                           make clean   remove what tests and tools left behind
#   make notebooks   run every lesson and store its outputs       make measure   time and memory: docs/lessons.md
#   make claims  which claims of the lessons fall with other seeds (or EDGECL_SEEDS=+100 make claims, for one shift)
#   make sizes   what there is to read for each method, counted anew: docs/reading.md
#   make stored  recompute what lessons only load (minutes)       make export  nets as files for a device, and their sizes
#   make epsilon privacy where only some of a fleet are called (minutes)
#   make fleet   our fleet and the same on Flower, compared on one machine (minutes; an environment of its own)
#   make publish set the public address: REPO=owner/name          make picture the moving picture of the README
#   make wheel   the package for an installer, into dist/         make floor   every lesson beside Colab's versions (minutes)
#   make site    the course as a web site, from what the lessons store: build/site/
#   make slides  a deck a lesson, which needs no network: build/slides/ (each lesson runs once; ARGS=03: one lesson)
#   make book    the course as one PDF, printed from the web site by a Chromium: build/book/edgecl.pdf
#   make handouts  lessons for a class, with the wheel: students.zip, teachers.zip, nbgrader.zip in build/handouts
#   make nbgrader  those in nbgrader itself; make class grades a class of thirty
#   make server  how many students one server carries (Linux, ten quiet minutes); make hub tries that in JupyterHub
#   make guide   what the teacher's guide, docs/teaching/, says of the exercises
#   make ledger  our numbers against the literature (hours; or ARGS='--only "EWC/task" --seeds 1')

VENV  ?= .venv
PY    := $(VENV)/bin/python
JOBS  ?= 2
# In CI pip only reports what went wrong; at a terminal it shows how far it is.
# CPU=1 also looks for torch where PyTorch keeps its small CPU build: on Linux the plain one brings gigabytes of CUDA.
PIP   := $(PY) -m pip --disable-pip-version-check install $(if $(CI),-q,) \
  $(if $(CPU),--extra-index-url https://download.pytorch.org/whl/cpu,)
ROOT  := $(shell [ "$$(id -u)" = 0 ] && echo --allow-root)
LEARN := $(VENV)/.ready
TESTS := $(VENV)/.ready-tests
TOOLS := $(VENV)/.ready-export
NBGRADER := .venv-nbgrader

.DEFAULT_GOAL := help
.PHONY: help setup lab test sizes bench lint publish picture notebooks measure claims stored export epsilon fleet ledger wheel floor site slides book handouts nbgrader class guide server hub clean

help:
	@sed -n '2,/^$$/s/^# *//p' Makefile

$(PY):
	@for python in $(PYTHON) python3.11 python3 python; do \
	  if $$python -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then \
	    echo "Making $(VENV) with $$($$python --version)"; exec $$python -m venv $(VENV); \
	  fi; \
	done; \
	echo "edgecl needs Python 3.11 (3.12 and 3.13 work too) with its venv module, and found none." >&2; \
	echo "Install it (python.org; or 'apt install python3.11 python3.11-venv' on Debian and Ubuntu; or 'brew install python@3.11')," >&2; \
	echo "or say where it is: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; \
	exit 1

$(LEARN): requirements.txt pyproject.toml | $(PY)
	@echo "Installing what the lessons need into $(VENV) (a few minutes the first time) …"
	@$(PIP) -r requirements.txt
	@mkdir -p $(VENV)/share/jupyter/lab/settings
	@echo '{"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": false}}' \
	  > $(VENV)/share/jupyter/lab/settings/overrides.json
	@touch $@

$(TESTS): tests/requirements.txt site/requirements.txt $(LEARN)
	@echo "Installing what the tests need into $(VENV) …"
	@$(PIP) -r tests/requirements.txt
	@touch $@

setup: $(LEARN)
	@echo "Ready: 'make lab' opens the course."

lab: $(LEARN)
	$(PY) -m jupyter lab --ip=127.0.0.1 $(ROOT) --ServerApp.root_dir="$(CURDIR)" \
	  --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb --LabApp.news_url=None \
	  --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate --LabApp.extension_manager=readonly

# One run for everything: ruff, unit and oracle tests, every lesson as stored (nbval), with its solutions, and in a browser.
test: $(TESTS) $(NBGRADER)/.ready
	$(PY) -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder \
	  --nbval --nbval-current-env --nbval-cell-timeout=3600 --nbval-sanitize-with=tests/nbval_sanitize.cfg tests notebooks

sizes: $(TESTS)
	$(PY) tests/tools/reading.py

bench: $(TESTS)
	$(PY) tests/tools/bench.py

lint: $(TESTS)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

# The public address, everywhere it stands: make publish REPO=owner/name. From the environment: no shell reads it.
publish: | $(PY)
	@$(PY) tests/tools/publish.py

# The moving picture of the README, and a still one of it: a minute, most of it training.
picture: $(TESTS)
	$(PY) tests/tools/picture.py

notebooks: $(TESTS)
	$(PY) tests/tools/refresh_notebooks.py

measure: $(TESTS)
	$(PY) tests/tools/refresh_notebooks.py --measure

# A report, no test: every lesson under seeds + 100, + 200 and + 1000, one after the other. ARGS=02: one lesson.
claims: $(TESTS)
	$(PY) tests/tools/claims.py $(ARGS)

stored: $(TESTS)
	$(PY) tests/tools/stored.py

$(TOOLS): tests/export.requirements.txt $(TESTS)
	@echo "Installing what writes networks for devices into $(VENV) (250 MB) …"
	@$(PIP) -r tests/export.requirements.txt
	@touch $@

# The sizes are recorded only where all tests pass, but for those that compare with the old record.
export: $(TOOLS)
	$(PY) -m pytest -q tests/device/test_export.py -k "not record"
	PYTHONPATH=tests/tools $(PY) tests/device/test_export.py

# An accountant of privacy, in an environment of its own, which is gone afterwards: 250 MB, some minutes.
epsilon: | $(PY)
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && $(PY) -m venv $$folder && \
	  $$folder/bin/python -m pip --disable-pip-version-check install -q -r tests/epsilon.requirements.txt && \
	  OMP_NUM_THREADS=1 $$folder/bin/python tests/tools/epsilon.py

# Flower would set back pins of $(VENV). So it has an environment of its own, with what its tests and tools need.
FLEET := .venv-fleet

$(FLEET)/.ready: tests/fleet.requirements.txt pyproject.toml | $(PY)
	@echo "Installing Flower into $(FLEET) (300 MB beside torch) …"
	@$(PY) -m venv $(FLEET)
	@$(FLEET)/bin/python -m pip --disable-pip-version-check install $(if $(CI),-q,) -r tests/fleet.requirements.txt
	@$(FLEET)/bin/python -m pip --disable-pip-version-check install -q --no-deps -e .
	@touch $@

fleet: $(FLEET)/.ready
	OMP_NUM_THREADS=1 $(FLEET)/bin/python tests/tools/fleet.py
	OMP_NUM_THREADS=1 $(FLEET)/bin/python -m pytest -q tests/fleet/test_flower.py

handouts: wheel $(TESTS)
	$(PY) tests/tools/handouts.py $(ARGS)

class: $(TESTS)
	OMP_NUM_THREADS=1 $(PY) tests/tools/grading.py $(ARGS)

# nbgrader in an environment of its own, which sees the packages of $(VENV) and may not replace any of them.
$(NBGRADER)/.ready: tests/nbgrader.requirements.txt $(TESTS)
	@echo "Installing nbgrader into $(NBGRADER) …"
	@$(PY) -m venv --clear --without-pip $(NBGRADER)
	@$(PY) -c 'import sysconfig as s; open(s.get_path("purelib", vars={"base": "$(NBGRADER)"}) + "/venv.pth", "w").write( \
	  "import site; site.addsitedir(%r)" % s.get_path("purelib"))'
	@$(PY) -m pip --disable-pip-version-check list --exclude-editable --format=freeze > $(NBGRADER)/held.txt
	@$(NBGRADER)/bin/python -m pip --disable-pip-version-check install -q \
	  -r tests/nbgrader.requirements.txt -c $(NBGRADER)/held.txt
	@$(NBGRADER)/bin/python -m pip --disable-pip-version-check check
	@touch $@

nbgrader: $(NBGRADER)/.ready
	OMP_NUM_THREADS=1 $(NBGRADER)/bin/python tests/tools/nbgraded.py

# Goes on where it was stopped. ARGS=--anew measures everything again.
server: $(TESTS)
	OMP_NUM_THREADS=1 $(PY) tests/tools/served.py $(ARGS)

# JupyterHub, with its proxy, which npm brings: an environment of its own.
HUB := .venv-hub

$(HUB)/.ready: tests/hub.requirements.txt requirements.txt pyproject.toml | $(PY)
	@echo "Installing JupyterHub into $(HUB) …"
	@$(PY) -m venv $(HUB)
	@$(HUB)/bin/python -m pip --disable-pip-version-check install $(if $(CI),-q,) \
	  $(if $(CPU),--extra-index-url https://download.pytorch.org/whl/cpu,) -r tests/hub.requirements.txt
	@npm install --silent --no-audit --no-fund --prefix $(HUB) configurable-http-proxy@5.3.0
	@touch $@

hub: $(HUB)/.ready
	OMP_NUM_THREADS=1 $(HUB)/bin/python tests/tools/hub.py

guide: $(TESTS)
	$(PY) tests/tools/guide.py

# Real MNIST and Fashion-MNIST; goes on where it was stopped. Other options: make ledger ARGS=--help
ledger: $(TESTS)
	$(PY) tests/tools/ledger/ledger.py $(ARGS)

# Built and checked in an environment of its own, which is gone afterwards.
wheel: | $(PY)
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && $(PY) -m venv $$folder && rm -rf build/lib build/bdist* dist && \
	  $$folder/bin/python -m pip --disable-pip-version-check install -q -r tests/wheel.requirements.txt && \
	  $$folder/bin/python -m build && $$folder/bin/python -m twine check --strict dist/*

# The least that pyproject.toml asks for, in an environment of its own; the wheel must not replace any of it.
# On Linux the plain torch brings gigabytes of CUDA: CPU=1 takes PyTorch's small CPU build.
FLOOR := .venv-floor
PANELS := widgets in_the_click meter life_panel plots
FROZEN = $(FLOOR)/bin/python -m pip --disable-pip-version-check freeze --exclude edgecl_lite

$(FLOOR)/.ready: tests/floor.requirements.txt | $(PY)
	@echo "Installing Colab's versions into $(FLOOR) …"
	@for python in $(PYTHON) python3.13 $(PY); do if $$python -m venv $(FLOOR) 2>/dev/null; then break; fi; done
	@$(FLOOR)/bin/python -m pip --disable-pip-version-check install $(if $(CI),-q,) \
	  $(if $(CPU),--extra-index-url https://download.pytorch.org/whl/cpu,) -r tests/floor.requirements.txt
	@$(FROZEN) > $@

floor: wheel $(FLOOR)/.ready
	@$(FLOOR)/bin/python -m pip --disable-pip-version-check uninstall -q -y edgecl_lite
	@$(FLOOR)/bin/python -m pip --disable-pip-version-check install -q dist/*.whl
	@$(FROZEN) | diff $(FLOOR)/.ready - && echo "The wheel replaced nothing."
	OMP_NUM_THREADS=1 $(FLOOR)/bin/pytest -q $(PANELS:%=tests/screen/test_%.py)
	OMP_NUM_THREADS=1 $(FLOOR)/bin/python tests/tools/alone.py $(ARGS)

# Nothing is executed or fetched: the pages show what the notebooks store.
site: $(TESTS)
	$(PY) site/build.py

slides: $(TESTS)
	$(PY) site/slides.py $(ARGS)

book: site
	$(PY) site/book.py

clean:
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache tests/shots
	find edgecl_lite tests notebooks -name __pycache__ -o -name .ipynb_checkpoints | xargs rm -rf
