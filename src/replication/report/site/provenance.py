"""The page that says where the numbers come from: commit, versions, processors, times, and the workflow as a graph."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from replication.errors import DataError
from replication.provenance import commit
from replication.report.rows import Tables, markdown
from replication.report.times import times_block

VERSIONS = ("torch", "torchvision", "numpy", "scipy", "scikit-image", "snakemake", "papermill", "matplotlib", "sphinx")
TARGETS = ("all", "claims", "limits", "ladder", "field", "optimizers", "benchmark")  # of the graph
DRAW = """
const fs = require("fs");
require(process.argv[1]).instance().then((viz) =>
  process.stdout.write(viz.renderString(fs.readFileSync(0, "utf8"), { format: "svg" })));
"""


def page(root: Path, tables: Tables) -> str:
    """The page, in Markdown."""
    versions = [[name, importlib.metadata.version(name)] for name in VERSIONS]
    try:
        times = times_block(tables)
    except KeyError:  # a command whose times are not published yet
        times = "The times are on [Running it](docs/running.md)."
    return f"""# Provenance

This site shows commit `{commit(root)}` of the project.

## What each command takes

{times}

## Every published record

The repository publishes a record of each job of a study, a file a study. A record has its key (what was asked), its
result, the commit, the processor and the processor time. The table can be sorted and filtered; each name leads to the
file.

<div data-table="records"></div>

## Versions

This site was built with these versions. Each record names the versions that computed it.

{markdown(["package", "version"], versions)}

## The workflow

A box is a rule of Snakemake, and an arrow leads from a rule to one that uses its results.

[![The rules of the workflow and what each hands on, as a graph](_static/workflow.svg)](_static/workflow.svg)
"""


def graph(root: Path, graphviz: Path) -> str:
    """The rules and what they hand on, as SVG. Raises DataError where a program fails."""
    with tempfile.TemporaryDirectory() as empty:
        snakemake = [sys.executable, "-m", "snakemake", *TARGETS, "--rulegraph", "--snakefile", root / "Snakefile"]
        dot = _output([*snakemake, "--directory", empty, "--quiet"])
    node = shutil.which("node")
    if node is None:
        raise DataError("the site needs node, which is not installed: install Node.js")
    return _output(
        [node, "-e", DRAW, (graphviz / "dist/viz.cjs").resolve()], dot.replace("graph[", "graph[rankdir=LR, ", 1)
    )


def _output(command: list, text: str | None = None) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SNAKEMAKE")}
    environment["PYTHONHASHSEED"] = "0"  # Snakemake's graph has the order of a set
    command = list(map(str, command))
    done = subprocess.run(command, input=text, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise DataError(f"{Path(command[0]).name} could not draw the workflow: {done.stderr.strip()[-500:]}")
    return done.stdout
