# Every target sets up its own .venv when it is missing and is quick when nothing changed.
# A Python of your choice: make PYTHON=python3.12 demo

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
BUNDLES := bundles
# The wheel holds the published JSON schemas of OME-Zarr, which tests read; it is not installed, none of its code runs.
SCHEMAS := 0.50.0
DEMO := runs/demo
# Trainings of the demo that differ in the seed; two run at the same time.
SEEDS := 0 1 2

# One thread a process while tests run side by side: two torch processes that both want every core starve each other.
TEST_ENV := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=2

.PHONY: help demo test coverage lint format configs docs bench gpu clean

help:  ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(READY)  ## pre-train, fine-tune with three seeds, evaluate, predict, decode, score, report
	@$(MAKE) --no-print-directory -j 2 $(DEMO)/report.html
	@printf '\non %s of $(VOLUME), which no run was trained or tuned on:\n\n' $(HELD_OUT)
	@$(BIN)/python -m scripts compare $(EVALUATIONS) --titles $(TITLES) --spread
	@printf '\npictures: %s\n          %s\nreport:   %s\n' $(DEMO)/pretrain/reconstruction.png \
	  $(DEMO)/seed0/evaluation/segmentation.png $(DEMO)/report.html

# The demo, step by step: each step makes its target, so an interrupted demo resumes where it stopped.
# Each line that make prints is a command that you can give yourself.
VOLUME := $(DEMO)/volume.h5
HELD_OUT := 58:64,256:512,256:512
RUNS := $(SEEDS:%=$(DEMO)/seed%)
EVALUATIONS := $(RUNS:%=%/evaluation/scores.json)
comma := ,
empty :=
TITLES := $(subst $(empty) $(empty),$(comma),$(SEEDS:%=seed%))
bundle = $(BIN)/python -m monai.bundle run --config_file
with_demo = "['$(BUNDLES)/$(1)/configs/train.json','$(BUNDLES)/$(1)/configs/demo.json']"
# An interrupted training in this folder is resumed.
into = --output_dir $(1)$(if $(wildcard $(1)), --resume true)

$(VOLUME): | $(READY)
	$(BIN)/python -m scripts synthesize --out $@ --shape 64,512,512 --seed 0

$(DEMO)/pretrain.done: $(VOLUME)
	$(bundle) $(call with_demo,sem_mae_pretrain) --volumes $(VOLUME):raw $(call into,$(DEMO)/pretrain)
	@touch $@

# Lines of runs that go on at the same time begin with the name of their run.
$(RUNS:%=%.done): $(DEMO)/seed%.done: $(DEMO)/pretrain.done
	$(bundle) $(call with_demo,sem_neuron_affinity) --volumes $(VOLUME):raw --labels $(VOLUME):labels --seed $* \
	  --pretrained $(DEMO)/pretrain/checkpoints/best.pt $(call into,$(DEMO)/seed$*) 2>&1 | sed -u 's/^/seed$*: /'
	@touch $@

$(EVALUATIONS): $(DEMO)/%/evaluation/scores.json: $(DEMO)/%.done
	$(bundle) $(BUNDLES)/sem_neuron_affinity/configs/evaluate.json --checkpoint $(DEMO)/$*/checkpoints/best.pt \
	  --box $(HELD_OUT) --overwrite true 2>&1 | sed -u 's/^/$*: /'
	@touch $@

$(DEMO)/affinities.h5: $(DEMO)/seed0.done
	$(bundle) $(BUNDLES)/sem_neuron_affinity/configs/inference.json --volume $(VOLUME):raw --box $(HELD_OUT) \
	  --checkpoint $(DEMO)/seed0/checkpoints/best.pt --out $@ $(if $(wildcard $@.partial),--resume true,--overwrite true)
	@touch $@

# The prediction names its decoder, with the threshold that was chosen on the validation box.
$(DEMO)/affinities_instances.h5: $(DEMO)/affinities.h5
	$(BIN)/python -m scripts decode $< --out $@ --overwrite

$(DEMO)/scores.json: $(DEMO)/affinities_instances.h5 $(DEMO)/seed0/evaluation/scores.json
	$(BIN)/python -m scripts score $<:labels $(DEMO)/seed0/evaluation/evaluation.h5:labels --out $@ --overwrite

$(DEMO)/report.html: $(EVALUATIONS) $(DEMO)/scores.json
	$(BIN)/python -m scripts report $(DEMO)/pretrain $(RUNS) --out $@ --overwrite

test: $(READY)  ## all tests (those on real volumes read their folder from SEM_DATA_DIR)
	$(TEST_ENV) $(BIN)/python -m pytest -n 2 --dist loadfile --durations 40 -q

coverage: $(READY)  ## the tests, with the lines of scripts that they run (slower)
	$(TEST_ENV) $(BIN)/python -m pytest -n 2 --dist loadfile -q --cov --cov-report term:skip-covered

lint: $(READY)  ## style, formatting, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)  ## fix style and formatting
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

configs: $(READY)  ## write the configs of all bundles and docs/knobs.md from bundles/source
	$(BIN)/python -m scripts.tools.bundle_configs

docs: $(READY)  ## build the site of the documents into site/; any warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

bench: $(READY)  ## measure beside the peers, as ratios (about 10 minutes on 2 cores)
	@for bench in $(patsubst tests/benchmarks/%.py,%,$(sort $(wildcard tests/benchmarks/bench_*.py))); do \
	  echo "# $$bench"; $(BIN)/python -m tests.benchmarks.$$bench || exit 1; done

# Nothing is installed: the interpreter is that of .venv, or PYTHON where there is none.
gpu:  ## everything that needs a GPU, 12 minutes: tests, speeds, trainings; GPU="--volume my.h5" or "--tiny"
	$(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON)) -m tests.gpu.run $(GPU)

clean:  ## remove the environment and caches, never runs or data
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis sem_mae.egg-info

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: $(PYTHON) is $$($(PYTHON) --version 2>&1); SEM-MAE needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,lint,bench,docs,cloud,cluster,view,hub]'
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --dest .venv/schemas ngff-zarr==$(SCHEMAS)
	@touch $@
