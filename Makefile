# `make` lists what one can do here. Every target sets up what it needs; PYTHON=... chooses the
# interpreter that the virtual environment is made with.
VENV := .venv
RUN := $(VENV)/bin/python -m
READY := $(VENV)/ready

.DEFAULT_GOAL := help
.PHONY: help demo test check lint types layers docs tutorials notebooks bench bench-lava soak-lava check-pythons check-exports clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

$(READY): pyproject.toml constraints.txt tools/bootstrap tools/find-python
	@tools/bootstrap $(VENV)

demo: $(READY)  ## train a network on handwritten digits and look at it
	@$(RUN) lava_desire demo --force

test: $(READY)  ## run the tests
	@$(RUN) pytest

check: lint types layers test  ## lint, types, import layers and tests: what CI runs

lint: $(READY)  ## check style and format
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .

types: $(READY)  ## check types
	@$(RUN) mypy

layers: $(READY)  ## check who imports whom
	@$(VENV)/bin/lint-imports

docs: $(READY)  ## build the API reference into build/docs
	@$(RUN) pdoc --math --docformat numpy -o build/docs lava_desire
	@echo "build/docs/index.html"

tutorials: $(READY)  ## run the tutorials and compare their outputs (TUTORIALS="--write 02")
	@$(RUN) tools.notebooks $(TUTORIALS)

notebooks: $(READY)  ## open the tutorials in JupyterLab
	@$(RUN) jupyterlab --version >/dev/null 2>&1 || \
		{ echo "JupyterLab is not there: $(RUN) pip install jupyterlab"; exit 1; }
	@cd tutorials && $(abspath $(VENV))/bin/python -m jupyterlab

PEERS := .venv-peers

$(PEERS)/ready: benchmarks/peers/bootstrap benchmarks/peers/requirements.txt
	@benchmarks/peers/bootstrap $(PEERS)

bench: $(READY) $(PEERS)/ready  ## measure the engine and its peers on this machine (BENCH=options)
	@$(RUN) benchmarks.engine $(BENCH)

bench-lava: $(READY)  ## measure a step in Lava beside stock processes
	@$(RUN) benchmarks.lava

soak-lava: $(READY)  ## run 100,000 steps in Lava and look for leaks
	@$(RUN) benchmarks.lava_stress

check-pythons:  ## test the processes on every Python found
	@tools/check-pythons

check-exports: $(READY)  ## run exported networks in SpikingJelly, Norse, snnTorch and lava-dl
	@tools/check-exports $(VENV)/bin/python

clean:  ## remove the virtual environment and everything built
	rm -rf $(VENV) .venv-frameworks .venv-netx build dist *.egg-info
