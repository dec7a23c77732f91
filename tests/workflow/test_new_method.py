"""A new method as a user adds it (docs/adding-a-method.md): its file, its line, its ranges."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from snakemake_calls import ROOT, output, snakemake

from replication.search import Report
from replication.verdicts import claims

PAGE = (ROOT / "docs" / "adding-a-method.md").read_text()
BLOCKS = re.findall(r"```(?:python|yaml)\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of the project with the method of the page."""
    copy = tmp_path_factory.mktemp("new") / "project"
    for name in ("src", "config", "rules", "notebooks", "profiles", "data/excerpt", "data/limits", "data/published"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("Snakefile", "data/SHA256SUMS"):
        shutil.copy(ROOT / name, copy / name)
    code, line, ranges = BLOCKS
    (copy / "src/nonsmooth/sign_descent.py").write_text(code)
    methods = copy / "src/replication/methods.py"
    before, table, after = methods.read_text().partition("METHODS: dict[str, Method] = {\n")
    methods.write_text(before + table + line + after)
    config = copy / "config/config.yaml"
    text = config.read_text()
    for experiment in ("perceptron-teacher", "autoencoder"):
        start = text.index(f"\n  {experiment}: ")
        place = text.index("\n      ranges:", start)
        end = text.index("\n", place + 1)
        if "*" in text[place:end]:  # the ranges of another experiment: written out here
            text = text[:place] + "\n      ranges:\n        <<: *perceptron_ranges\n" + ranges.rstrip() + text[end:]
        else:
            text = text[:end] + "\n" + ranges.rstrip() + text[end:]
    config.write_text(text.replace("    in_target: [", "    in_target: [sign-descent, ", 1))
    return copy


CLAIM = """
claims:
  seeds: [0, 1, 2]
  statements:
    - id: perceptron
      claim: It trains faster
      source: nowhere
      experiment: perceptron-teacher
      selected_by: train_loss
      against: [adam]
      quantities: [final]
"""


@pytest.mark.slow
def test_the_method_of_the_page_is_run_tuned_drawn_and_judged(project, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(project / "src"))
    targets = ["figures/comparison.png", "results/tuning/perceptron-teacher/sign-descent.json", "results/claims.json"]
    done = snakemake(tmp_path, *targets, "--cores", "2", "--config", "seeds=[0]", project=project, over=CLAIM)
    assert done.returncode == 0, output(done)
    record = json.loads((tmp_path / "results/runs/autoencoder/sign-descent/seed-0/run.json").read_text())
    assert record["status"] == "finished"
    report = Report.read(tmp_path / "results/tuning/perceptron-teacher/sign-descent.json")
    assert [trial.settings.keys() for trial in report.trials] == [{"step"}] * 3
    judgements = claims.read(tmp_path / "results/claims.json")
    assert {judgement.method for judgement in judgements} == {"badmm", "badmm-ls", "sign-descent"}
    assert all({*own.seeds, *own.lost[0], *own.lost[1]} == {0, 1, 2} for own in (each.own for each in judgements))


def test_settings_that_the_method_does_not_have_are_refused_by_name(project):
    """Without an entry in the schema its constructor says which settings it has."""
    code = (
        "from replication import config\n"
        "settings = config.project('.')\n"
        "settings['experiments']['autoencoder']['optimizers']['sign-descent'] = {'stepp': 1.0}\n"
        "config.check(settings, 'config/schema.yaml')\n"
    )
    environment = os.environ | {"PYTHONPATH": str(project / "src")}
    done = subprocess.run([sys.executable, "-c", code], cwd=project, env=environment, capture_output=True, text=True)
    assert "experiments.autoencoder.optimizers.sign-descent.stepp: no setting of sign-descent" in done.stderr
