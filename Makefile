# make figures: set up, fetch MNIST, train, draw.   make test: set up, run the tests.   make help: the rest.
PYTHON ?= python3.11
CORES ?= 4
BIN := .venv/bin
SNAKEMAKE := $(BIN)/snakemake --cores $(CORES)

.PHONY: figures test tuned publish benchmark claims limits verify lab slurm lock help
.DEFAULT_GOAL := help

figures: .venv/ready  ## the poster's figures in figures/, computed from MNIST
	$(SNAKEMAKE)

test: .venv/ready  ## every test
	$(BIN)/python -m pytest -n 2 --dist loadscope

tuned: .venv/ready  ## choose settings by the search and take them over into config/tuned.yaml
	$(SNAKEMAKE) tune
	cp results/tuned.yaml config/tuned.yaml
	rm -rf tests/expected/tuning && cp -r results/tuning tests/expected/
	$(call take_over,times/tune_time.md,README.md)

# A page that the pipeline wrote, kept in figures/ and repeated between its marks in a document.
define take_over
cp results/$(1) figures/$(notdir $(1))
sed -i.old -e '/^<!-- figures\/$(notdir $(1)) -->$$/,/^<!-- end -->$$/{//!d;}' \
  -e '/^<!-- figures\/$(notdir $(1)) -->$$/r figures/$(notdir $(1))' $(2) && rm $(2).old
endef

publish: figures  ## take seed 0's executed notebooks and the summary over into notebooks/executed/ and README.md
	for path in results/notebooks/perceptron*/*/seed-0.ipynb results/notebooks/autoencoder/*/seed-0.ipynb; do \
	  run=$${path#results/notebooks/}; run=$${run%/seed-0.ipynb}; \
	  mkdir -p notebooks/executed/$${run%/*} && cp $$path notebooks/executed/$$run.ipynb; \
	done
	$(call take_over,summary.md,README.md)
	$(SNAKEMAKE) results/numbers.json
	cp results/numbers.json tests/expected/default.json

benchmark: .venv/ready  ## speed and size against their goals: results/benchmark/, figures/benchmark.png, docs/scaling.md
	$(SNAKEMAKE) benchmark
	$(call take_over,benchmark/benchmark.md,docs/scaling.md)

claims: .venv/ready  ## a verdict on every claim of the poster: results/claims.json, README.md
	$(SNAKEMAKE) claims
	cp results/notebooks/claims.ipynb notebooks/executed/
	$(call take_over,claims.md,README.md)
	$(call take_over,times/claims_time.md,README.md)

limits: .venv/ready  ## where the claims stop holding: figures/limits.png; can be stopped and resumed
	$(SNAKEMAKE) limits
	$(BIN)/python -m nonsmooth publish --limits results/limits.json --folder data/limits
	cp results/notebooks/limits.ipynb notebooks/executed/
	$(call take_over,times/limits_time.md,README.md)

verify: .venv/ready  ## compute the default runs anew and hold them against the numbers in tests/expected/
	$(SNAKEMAKE) verify --directory results/verify --forceall

lab: .venv/ready  ## JupyterLab on the notebooks
	$(BIN)/python -m pip install --quiet -e '.[lab]'
	$(BIN)/jupyter lab notebooks

slurm: .venv/ready  ## what snakemake --profile profiles/slurm needs
	$(BIN)/python -m pip install --quiet -e '.[slurm]'

lock: .venv/ready  ## resolve requirements.lock anew from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --extra pipeline --extra test --python-version 3.11 --universal \
	  --generate-hashes --custom-compile-command "make lock" --output-file requirements.lock

.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; assert sys.version_info[:2] == (3, 11)' 2>/dev/null || \
	  { echo "Python 3.11 is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

help:
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:[^#]*## /:\t/' | expand -t 12
