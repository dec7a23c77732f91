"""The poster, regenerated: MNIST -> images of a seed -> one executed notebook a run -> figures."""

import os
import re
import sys

from snakemake.utils import min_version

min_version("9.0")


def source(path):
    """A file of the project, found beside this one; results go to the working directory (see --directory)."""
    return os.path.relpath(os.path.join(workflow.basedir, path))


configfile: source("config/tuned.yaml")
configfile: source("config/config.yaml")
configfile: source("config/claims.yaml")
configfile: source("config/limits.yaml")


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/runs.smk"
include: "rules/timing.smk"
include: "rules/tuning.smk"
include: "rules/figures.smk"
include: "rules/scale.smk"
include: "rules/claims.smk"
include: "rules/limits.smk"
include: "rules/tables.smk"
include: "rules/verify.smk"


rule all:
    default_target: True
    input:
        runs=files_of(*of_target(None)),
        notebooks=notebooks_of(*of_target(None)),
        figures=expand("figures/{figure}.{format}", figure=POSTER, format=["pdf", "png"]),
        tables=expand("results/tables/{table}.csv", table=["runs", "lead"]),
