# `make` lists what one can do here. Every target sets up what it needs; PYTHON=... chooses the
# interpreter that the virtual environment is made with.
VENV := .venv
RUN := $(VENV)/bin/python -m
READY := $(VENV)/ready

.DEFAULT_GOAL := help
# Every target that the list names makes no file of that name.
.PHONY: $(shell awk -F: '/^[a-z-]+:.*\#\# / { print $$1 }' Makefile)

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

$(READY): pyproject.toml constraints.txt tools/bootstrap tools/find-python
	@tools/bootstrap $(VENV)

demo: $(READY)  ## train a network on handwritten digits and look at it
	@$(RUN) lava_desire demo --force

test: $(READY)  ## run the tests, two at a time
	@$(RUN) pytest -n 2 --dist loadfile --no-loadscope-reorder

check: lint types layers test  ## lint, types, import layers and tests: what CI runs

lint: $(READY)  ## check style and format
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .

types: $(READY)  ## check types, and that nothing is called that Windows has not
	@$(RUN) mypy
	@$(RUN) mypy --platform win32 --cache-dir .mypy_cache/win32

layers: $(READY)  ## check who imports whom
	@$(VENV)/bin/lint-imports

cost: $(READY)  ## count lines, files that name a field of the configuration, circles of imports
	@$(RUN) tools.cost

docs: $(READY)  ## build the documentation into build/docs, no warning and no broken link allowed
	@rm -rf build/docs
	@$(RUN) sphinx -q -j auto -E -n -W --keep-going -d build/doctrees docs build/docs
	@$(VENV)/bin/python docs/building/check.py build/docs
	@echo "build/docs/index.html"

docs-links: $(READY)  ## ask the network whether the links out of the documentation still lead somewhere
	@$(RUN) sphinx -q -b linkcheck -d build/doctrees docs build/linkcheck

tutorials: $(READY)  ## run the tutorials and compare their outputs (TUTORIALS="--write 02")
	@$(RUN) tools.notebooks $(TUTORIALS)

notebooks: $(READY)  ## open the tutorials in JupyterLab
	@$(RUN) jupyterlab --version >/dev/null 2>&1 || \
		{ echo "JupyterLab is not there: $(RUN) pip install jupyterlab"; exit 1; }
	@cd tutorials && $(abspath $(VENV))/bin/python -m jupyterlab

PEERS := .venv-frameworks .venv-jax .venv-netx

.venv-%/ready: benchmarks/exports/%.txt
	@tools/environment $< .venv-$*
	@touch $@

bench: $(READY) $(PEERS:%=%/ready)  ## measure the engine and its peers on this machine (BENCH=options)
	@$(RUN) benchmarks.engine $(BENCH)

bench-conv: $(READY) .venv-frameworks/ready  ## the same for convolutions, beside dense layers (BENCH=options)
	@$(RUN) benchmarks.convolutions $(BENCH)

bench-growth: $(READY)  ## measure how a step grows with neurons, time steps, batch and layers (BENCH=options)
	@$(RUN) benchmarks.growth $(BENCH)

bench-beside: $(READY)  ## measure training beside busy processes and other runs (BENCH=options)
	@$(RUN) benchmarks.beside $(BENCH)

NEUROBENCH := .venv-neurobench

$(NEUROBENCH)/ready: benchmarks/neurobench.txt
	@tools/environment $< $(NEUROBENCH)

bench-neurobench: $(NEUROBENCH)/ready  ## keep NeuroBench's report of three networks (BENCH=options)
	@$(NEUROBENCH)/bin/python -m benchmarks.neurobench $(BENCH)

bench-gpu: $(READY)  ## measure training steps on a CUDA device, and where their time goes
	@$(RUN) benchmarks.gpu $(BENCH)

check-gpu: $(READY)  ## run the tests of the kernels for CUDA on a CUDA device
	@$(VENV)/bin/python -c 'import sys, torch; torch.cuda.is_available() or sys.exit("check-gpu: torch finds no CUDA device here: nothing was tested")'
	@$(RUN) pytest tests/engine/test_triton.py

bench-lava: $(READY)  ## measure a step in Lava beside stock processes
	@$(RUN) benchmarks.lava

bench-distributed: $(READY)  ## measure a step of one and of two ranks (BENCH=options)
	@$(RUN) benchmarks.distributed $(BENCH)

soak-lava: $(READY)  ## run Lava for a million steps, kill, interrupt, block, and look for leaks
	@$(RUN) benchmarks.lava_stress

soak: $(READY)  ## kill, fill, spoil and fuzz at length; nothing may be lost (SOAK=options)
	@$(RUN) soak $(SOAK)

check-pythons:  ## test the processes on every Python found (PYTHONS=--quick: two of them, a part)
	@tools/check-pythons $(PYTHONS)

check-exports: $(READY)  ## run exported networks in the readers of NIR and in lava-dl
	@tools/check-exports $(VENV)/bin/python

check-emulators: $(READY)  ## run networks in emulators of chips and in NEST, bit by bit (EMULATORS="nest ...")
	@tools/check-emulators $(VENV)/bin/python $(EMULATORS)

dist: $(READY)  ## build wheel and sdist of the last commit, twice, and compare their bytes
	@tools/dist $(VENV)/bin/python

check-dist: dist  ## install wheel and sdist in a clean environment and run the demo there
	@tools/check-dist

audit: $(READY)  ## ask for known vulnerabilities of the packages used (security/audit.md)
	@$(VENV)/bin/python tools/audit.py

licences: $(READY)  ## list the licences of the packages used (security/licences.md)
	@$(VENV)/bin/python tools/licences.py

differential: $(READY)  ## compare all backends over 1,000 drawn configurations (DIFFERENTIAL=options)
	@$(RUN) differential $(DIFFERENTIAL)

clean:  ## remove the virtual environment and everything built
	rm -rf $(VENV) $(NEUROBENCH) .venv-frameworks .venv-older_nir .venv-jax .venv-netx .venv-emulators-* build dist *.egg-info
