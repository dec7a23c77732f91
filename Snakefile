"""The poster, regenerated: MNIST -> images of a seed -> an executed notebook an optimizer -> figures (rules/poster.smk).

Every further question is a study (rules/studies.smk).
"""

import os
import sys

from replication import workflow as project
from replication.paths import DATASETS, RESULTS
from replication.workflow import WHOLE_MACHINE
from snakemake.utils import min_version

min_version("9.0")


def source(path):
    """A file of the project, found beside this one; results go to the working directory (see --directory)."""
    return os.path.relpath(os.path.join(workflow.basedir, path))


config |= project.read_config(source("."), workflow.config_settings)
plan = project.make_plan(config, source("."))
project.prepare_jobs()
if workflow.is_main_process:
    project.name_unlock(sys.argv[1:])


report: "rules/report/workflow.rst"


wildcard_constraints:
    experiment="|".join(config["experiments"]),
    optimizer="[a-z0-9-]+",
    drawn=r"([a-z0-9-]+/)?seed-\d+",
    name="|".join(plan.studies.jobs),
    study="claims|limits|ladder",


onstart:
    if workflow.local_exec and not (workflow.remote_exec or workflow.subprocess_exec):
        project.name_workflow()


onsuccess:
    project.say_where(plan, config["seeds"])


include: "rules/poster.smk"
include: "rules/studies.smk"
include: "rules/report.smk"
include: "rules/site.smk"
include: "rules/speed.smk"
include: "rules/verify.smk"


rule all:
    """The poster's figures: `make figures`."""
    default_target: True
    input:
        notebooks=plan.poster.notebooks(*plan.poster.of_target(None)),
        shown=plan.shown("all"),


rule full_mnist:
    """The autoencoder on all of MNIST: `snakemake --cores 2 full_mnist`."""
    input:
        notebooks=plan.poster.notebooks(*plan.poster.of_target("full_mnist")),
        shown=plan.shown("full_mnist"),


rule tune:
    """Settings from the search: `snakemake --cores 4 tune`, then `make tuned` takes them over."""
    input:
        tuned=f"{RESULTS}/tuned.yaml",
        shown=plan.shown("tune"),


rule claims:
    """A verdict on every claim of the poster: `make claims`."""
    input:
        shown=plan.shown("claims"),


rule optimizers:
    """The same tests against today's optimizers, and with every lever searched: `make optimizers`."""
    input:
        shown=plan.shown("optimizers"),


rule ladder:
    """What the lead is made of: `make ladder`."""
    input:
        shown=plan.shown("ladder"),


rule field:
    """Methods of the field on the same work, and what decides: `make field`."""
    input:
        shown=plan.shown("field"),


rule limits:
    """Where the claims stop holding: `make limits`, which can be stopped and goes on where it was."""
    input:
        shown=plan.shown("limits"),


rule benchmark:
    """Speed and size against their goals: `make benchmark`."""
    input:
        shown=plan.shown("benchmark"),


rule site:
    """The evidence as a site in results/site/, to read offline: `make site`."""
    input:
        site=f"{RESULTS}/site",
