"""The poster, regenerated: MNIST -> images of a seed -> one executed notebook a run -> figures."""

import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")

# Sources are found beside this file, results go to the working directory (see --directory).
ROOT = os.path.relpath(workflow.basedir)


configfile: f"{ROOT}/config/tuned.yaml"
configfile: f"{ROOT}/config/config.yaml"


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/runs.smk"
include: "rules/timing.smk"
include: "rules/tuning.smk"
include: "rules/figures.smk"


rule all:
    default_target: True
    input:
        runs=RUN_FILES,
        notebooks=NOTEBOOKS,
        figures=expand("figures/{figure}.{format}", figure=FIGURES, format=["pdf", "png"]),
