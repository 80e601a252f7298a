# Every target sets up its own .venv when it is missing and is quick when nothing changed.
# A Python of your choice: make PYTHON=python3.12 demo

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
BUNDLES := bundles
DEMO := runs/demo

# One thread a process while tests run side by side: two torch processes that both want every core starve each other.
TEST_ENV := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=2

.PHONY: help demo test lint format bench clean

help:  ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(READY)  ## pre-train a small masked autoencoder on the synthetic volume, end with pictures and a table of scores
	$(BIN)/python -m monai.bundle run \
	  --config_file "['$(BUNDLES)/sem_mae_pretrain/configs/train.json','$(BUNDLES)/sem_mae_pretrain/configs/demo.json']" \
	  --output_dir $(DEMO) $(if $(wildcard $(DEMO)),--resume true)

test: $(READY)  ## all tests (those on real volumes read their folder from SEM_DATA_DIR)
	$(TEST_ENV) $(BIN)/python -m pytest -n 2 --dist loadfile --durations 15 -q

lint: $(READY)  ## style, formatting, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)  ## mend style and formatting
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)  ## measure beside the peers, as ratios (about 10 minutes on 2 cores)
	@for bench in $(patsubst tests/benchmarks/%.py,%,$(sort $(wildcard tests/benchmarks/bench_*.py))); do \
	  echo "# $$bench"; $(BIN)/python -m tests.benchmarks.$$bench || exit 1; done

clean:  ## remove the environment and caches, never runs or data
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis sem_mae.egg-info

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: $(PYTHON) is $$($(PYTHON) --version 2>&1); SEM-MAE needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,lint,bench]'
	@touch $@
