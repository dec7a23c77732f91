"""The poster, regenerated: MNIST -> images of each seed -> a notebook for each optimizer -> figures (rules/poster.smk)."""

import os
import sys

from replication import workflow as project
from replication.workflow import WHOLE_MACHINE
from snakemake.utils import min_version

min_version("9.0")


def source(path):
    """A file of the project, found beside this one; results go to the working directory (see --directory)."""
    return os.path.relpath(os.path.join(workflow.basedir, path))


config |= project.read_config(source("."), workflow.config_settings)
plan = project.make_plan(config, source("."))
files, poster = plan.results, plan.poster
project.prepare_jobs()
if workflow.is_main_process:
    project.name_unlock(sys.argv[1:])


report: "rules/report/workflow.rst"


wildcard_constraints:
    **plan.wildcards,


onstart:
    if workflow.local_exec and not (workflow.remote_exec or workflow.subprocess_exec):
        project.name_workflow()


include: "rules/poster.smk"
include: "rules/claims.smk"
include: "rules/ladder.smk"
include: "rules/limits.smk"
include: "rules/report.smk"
include: "rules/site.smk"
include: "rules/speed.smk"
include: "rules/studies.smk"
include: "rules/tuning.smk"
include: "rules/verify.smk"


rule all:
    """The poster's figures: `make figures`."""
    default_target: True
    input:
        notebooks=poster.executed(*poster.of_target(None)),
        figures=plan.figures_of("all"),
        tables=plan.tables_of("all"),


rule full_mnist:
    """The autoencoder on all of MNIST: `snakemake --cores 2 full_mnist`."""
    input:
        notebooks=poster.executed(*poster.of_target("full_mnist")),
        figures=plan.figures_of("full_mnist"),


rule tune:
    """Settings from the search: `snakemake --cores 4 tune`, then `make tuned` takes them over."""
    input:
        tuned=files.tuned,
        figures=plan.figures_of("tune"),
        tables=plan.tables_of("tune"),


rule claims:
    """A verdict on every claim of the poster: `make claims`."""
    input:
        claims=files.claims,
        figures=plan.figures_of("claims"),
        tables=plan.tables_of("claims"),


rule optimizers:
    """The same tests against today's optimizers, and with every lever searched: `make optimizers`."""
    input:
        figures=plan.figures_of("optimizers"),
        tables=plan.tables_of("optimizers"),


rule ladder:
    """What the lead is made of: `make ladder`."""
    input:
        ladder=files.ladder,
        figures=plan.figures_of("ladder"),
        tables=plan.tables_of("ladder"),


rule limits:
    """Where the claims stop holding: `make limits`, which can be stopped and goes on where it was."""
    input:
        limits=files.limits,
        figures=plan.figures_of("limits"),
        tables=plan.tables_of("limits"),


rule benchmark:
    """Speed and size against their goals: `make benchmark`."""
    input:
        figures=plan.figures_of("benchmark"),
        tables=plan.tables_of("benchmark"),


rule site:
    """The evidence as a site in results/site/, to read offline: `make site`."""
    input:
        site=f"{files.folder}/site",
