# make demo    masks on six photographs at once, then both methods on a few drawn scenes; open runs/demo/report.html
# make demo-full   the scenes in full: three seeds, true saliency, and the detector that learned from pixels (about an hour); runs/full/report.html
# make figures every figure of the dissertation, drawn from runs/full and runs/full-masking where they are, else from the packaged samples
# make test    everything that must hold before a commit
# make setup   build .venv (done by the others when it is missing or out of date)
# make export  write wsss_nb/*.py from the notebooks;  make clean-notebooks  strip what git should not see
# make layout  lay out the code of all notebooks at 100 columns (ruff), then export
# make readme  write README.md, and its pictures, from nbs/index.ipynb
# make hooks   let git and Jupyter clean and merge notebooks (also writes to ~/.jupyter)
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
BIN := .venv/bin
STAMP := .venv/.ready-$(shell cat constraints.txt settings.ini setup.py pyproject.toml | cksum | tr -d ' ')
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# As many drawn scenes as both methods learn in a few minutes; too few to compare anything, which demo-full is for.
FEW := scenes:train=160,val=40
# Saliency read off the superpixels of the first run: both methods learn from image-level labels only.
LABELFREE := saliency=superpixels superpixels=runs/full/superpixels
ROWS := A1,A2,A3,A4,A5,A7,C1,C2

.PHONY: setup demo demo-full figures test layout export readme clean-notebooks hooks
setup: $(STAMP)

# A moved folder leaves stale paths inside .venv: then, and only then, it is built from nothing.
$(STAMP):
	@py=$$(.ci/python) && clear=; \
	command -v g++ >/dev/null || { echo "make: g++ is needed to build pydensecrf2 (Debian: apt-get install g++)" >&2; exit 1; }; \
	if [ -e .venv/.home ] && [ "$$(cat .venv/.home)" != "$(CURDIR)" ]; then clear=--clear; fi; \
	echo "setting up .venv with $$py (a few minutes the first time)"; \
	"$$py" -m venv $$clear .venv || { echo "make: could not create .venv (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@pwd > .venv/.home
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	$(BIN)/python -m pip install -q -c constraints.txt --no-deps lightly
	@$(BIN)/python -c 'import triton' 2>/dev/null || $(BIN)/python -m pip install -q --no-deps 'triton>=3.7,<3.8'  # Torch brings its own where it is built for CUDA; here for the tests
	@rm -f .venv/.ready-* && touch $@

# Photographs first: there is something to look at before the methods begin to learn.
demo: setup
	$(BIN)/wsss-nb segment samples --steps --out runs/demo-photographs
	@echo "Look: the first pictures are there, in runs/demo-photographs/steps/. Now both methods learn from names, in a few minutes."
	$(BIN)/wsss-nb run clustering --data $(FEW) --out runs/demo seeds=0 seg_epochs=12 'compare=[]'
	$(BIN)/wsss-nb run masking --data $(FEW) --out runs/demo-masking saliency=superpixels superpixels=runs/demo/superpixels 'compare=[]'
	$(BIN)/wsss-nb report runs/demo runs/demo-masking --photographs runs/demo-photographs --out runs/demo/report.html

demo-full: setup
	$(BIN)/wsss-nb segment samples --steps --out runs/demo-photographs
	$(BIN)/wsss-nb run clustering --data scenes --out runs/full
	$(BIN)/wsss-nb run masking --data scenes --out runs/full-masking $(LABELFREE) seeds=0,1,2 compare=$(ROWS)
	$(BIN)/wsss-nb run masking --data scenes --out runs/full-detector saliency=builtin seeds=0,1,2 compare=$(ROWS)
	$(BIN)/wsss-nb report runs/full runs/full-masking runs/full-detector --photographs runs/demo-photographs --out runs/full/report.html

figures: setup
	$(BIN)/wsss-nb figures --workers 2 $(if $(wildcard runs/full/metrics.json),--run runs/full) $(if $(wildcard runs/full-masking/metrics.json),--masking runs/full-masking)

# A file goes to whichever of two processes is free; whole runs and the browser, which take longest, come first.
TESTS := tests/e2e $(filter-out tests/test_house.py,$(wildcard tests/test_*.py))
test: export OMP_NUM_THREADS ?= 1
test: export TRITON_INTERPRET ?= $(if $(wildcard /dev/nvidiactl),0,1)
test: setup
	$(BIN)/ruff check -q setup.py tests wsss_nb
	$(BIN)/python -m pytest -q --durations=0 --durations-min=5 tests/test_house.py
	$(BIN)/nbdev_test --n_workers 2 --timing
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder --durations=25 $(TESTS)

layout: setup
	$(BIN)/python .ci/layout
	$(BIN)/nbdev_export

export: setup
	$(BIN)/nbdev_export

readme: setup
	$(BIN)/python .ci/readme

clean-notebooks: setup
	$(BIN)/nbdev_clean

hooks: setup
	$(BIN)/nbdev_install_hooks
