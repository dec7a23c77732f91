# make figures: set up, fetch MNIST, train, draw.   make test: set up, run the tests.   make help: the rest.
# What requirements.lock is for. python3 is taken where it is one of them, else the first of them that is there.
VERSIONS := 3.11 3.12 3.13 3.14
FITS = $(1) -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] not in sys.argv)' $(VERSIONS) 2>/dev/null
NAMES := python3 $(VERSIONS:%=python%)
PYTHON ?= $(firstword $(shell for name in $(NAMES); do $(call FITS,$$name) && echo $$name; done; true) python3)
CORES ?= 4
# An index with CPU builds of torch, as PyTorch's installation page names it. With it set-up downloads no CUDA.
TORCH_INDEX ?=
BIN := .venv/bin
SNAKEMAKE := $(BIN)/snakemake --cores $(CORES)
# Takes the tables that the pipeline wrote over into docs/results/, and fills the numbers of README.md and docs/ anew.
PAGES := $(BIN)/python -m replication pages
# Takes the records over into data/records/, and then the tables.
PUBLISH := $(BIN)/python -m replication publish && $(PAGES)
# pip keeps a person's settings of where it downloads from, and no others: with PIP_USER=1 it would refuse .venv.
DOWNLOADS := INDEX_URL EXTRA_INDEX_URL FIND_LINKS NO_INDEX TRUSTED_HOST PROXY CERT CLIENT_CERT CACHE_DIR CONFIG_FILE
unexport $(filter-out $(DOWNLOADS:%=PIP_%),$(filter PIP_%,$(.VARIABLES)))
export PIP_USER := 0
# Snakemake needs a folder for its cache. Where HOME has none, as in some containers, it is here.
USABLE := $(shell d="$${XDG_CACHE_HOME:-$$HOME/.cache}"; mkdir -p "$$d" 2>/dev/null && test -w "$$d" && echo yes)
ifneq ($(USABLE),yes)
export XDG_CACHE_HOME := $(CURDIR)/.cache
endif

.PHONY: figures test tuned publish benchmark claims limits ladder field optimizers verify lab site publish-site slurm audit lock help
.DEFAULT_GOAL := help

figures: .venv/ready  ## the poster's figures in figures/, computed from MNIST
	$(SNAKEMAKE)

test: .venv/ready  ## every test
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder

tuned: .venv/ready  ## choose settings by the search and take them over into config/tuned.yaml
	$(SNAKEMAKE) tune
	cp results/tuned.yaml config/tuned.yaml
	$(PUBLISH)

publish: figures  ## take the default runs over: executed notebooks, denoised images, expected numbers
	rm -rf notebooks/executed && cp -r results/notebooks notebooks/executed
	$(SNAKEMAKE) results/numbers.json results/records/pictures/autoencoder.jsonl
	cp results/numbers.json tests/expected/default.json
	$(PUBLISH)

benchmark: .venv/ready  ## speed and size against their goals: figures/benchmark.png, docs/scaling.md
	$(SNAKEMAKE) benchmark
	$(PAGES)

claims: .venv/ready  ## a verdict on every claim of the poster: docs/claims.md
	$(SNAKEMAKE) claims
	$(PUBLISH)

limits: .venv/ready  ## where the claims stop holding: docs/limits.md; can be stopped and resumed
	$(SNAKEMAKE) limits
	$(PUBLISH)

optimizers: .venv/ready  ## the tests of the claims against today's optimizers, as a table
	$(SNAKEMAKE) optimizers
	$(PUBLISH)

field: .venv/ready  ## methods of the field on the same work: docs/field.md; can be stopped and resumed
	$(SNAKEMAKE) field
	$(PUBLISH)

ladder: .venv/ready  ## what the lead is made of: docs/ladder.md; can be stopped and resumed
	$(SNAKEMAKE) ladder
	$(PUBLISH)

site: .venv/ready  ## the evidence as a site: results/site/index.html opens offline (needs npm once)
	$(BIN)/python -m pip install --quiet -e '.[site]'
	$(SNAKEMAKE) site

publish-site: site  ## the site as the only commit of the branch site, beside all others
	GIT_INDEX_FILE=$(CURDIR)/results/site.index git --work-tree=results/site add --all --force
	git branch --force site $$(git commit-tree -m "Site of $$(git describe --always --dirty)" \
	  $$(GIT_INDEX_FILE=$(CURDIR)/results/site.index git write-tree))
	rm results/site.index

verify: .venv/ready  ## compute the default runs anew and hold them against the numbers in tests/expected/
	rm -rf results/verify
	$(SNAKEMAKE) verify --directory results/verify

lab: .venv/ready  ## JupyterLab on the notebooks
	$(BIN)/python -m pip install --quiet -e '.[lab]'
	$(BIN)/jupyter lab notebooks

slurm: .venv/ready  ## what snakemake --profile profiles/slurm needs
	$(BIN)/python -m pip install --quiet -e '.[slurm]'

audit: .venv/ready  ## hold requirements.lock against the public lists of known vulnerabilities
	$(BIN)/python -m venv .cache/audit
	.cache/audit/bin/python -m pip install --quiet pip-audit
	.cache/audit/bin/pip-audit --disable-pip --require-hashes -r requirements.lock

lock: .venv/ready  ## resolve requirements.lock anew from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --extra pipeline --extra test --python-version 3.11 --universal \
	  --generate-hashes --custom-compile-command "make lock" --output-file requirements.lock

.venv/ready: requirements.lock pyproject.toml
	@$(call FITS,$(PYTHON)) || { version=$$($(PYTHON) --version 2>&1) || version="not there"; \
	  echo "Python $(firstword $(VERSIONS)) to $(lastword $(VERSIONS)) is needed, and $(PYTHON) is $$version:" \
	    "make PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv --clear .venv
ifeq ($(TORCH_INDEX),)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
else
	awk '/^[a-z]/ {keep = !/^(torch|torchvision|triton|nvidia-.*|cuda-.*)==/} keep' requirements.lock > .venv/cpu.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r .venv/cpu.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --index-url $(TORCH_INDEX) \
	  $$(awk -F' ' '/^torch(vision)?==/ {print $$1}' requirements.lock)
endif
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

help:
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## /:\t/' | expand -t 12
