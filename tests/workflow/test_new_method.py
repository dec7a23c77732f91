"""A new method as a user adds it (docs/adding-a-method.md): its file, its line, its ranges."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from snakemake_calls import ROOT, insert, output, snakemake

from replication import records
from replication.verdicts import claims

PAGE = (ROOT / "docs" / "adding-a-method.md").read_text()
CODE, LINE, RANGES = re.findall(r"```(?:python|yaml)\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def changed(project) -> Path:
    """The copy of the project, with the method of the page."""
    (project / "src/nonsmooth/sign_descent.py").write_text(CODE)
    insert(project / "src/replication/methods.py", "METHODS: dict[str, Method] = {\n", LINE)
    config = project / "config/config.yaml"
    text = config.read_text()
    for experiment in ("perceptron-teacher", "autoencoder"):
        start = text.index(f"\n  {experiment}: ")
        place = text.index("\n      ranges:", start)
        end = text.index("\n", place + 1)
        if "*" in text[place:end]:  # the ranges of another experiment: written out here
            text = text[:place] + "\n      ranges:\n        <<: *perceptron_ranges\n" + RANGES.rstrip() + text[end:]
        else:
            text = text[:end] + "\n" + RANGES.rstrip() + text[end:]
    config.write_text(text.replace("    in_target: [", "    in_target: [sign-descent, ", 1))
    return project


SEARCH = "results/records/tuning/perceptron-teacher/sign-descent.jsonl"
CLAIM = """
claims:
  seeds: [0, 1, 2]
  kinds: [{name: rate searched, suffix: "", variants: {}}]
  statements:
    - id: perceptron
      claim: It trains faster
      source: nowhere
      experiment: perceptron-teacher
      criterion: train_loss
      against: [adam]
      quantities: [final]
"""


@pytest.mark.slow
def test_the_method_of_the_page_is_run_tuned_drawn_and_judged(changed, tmp_path):
    targets = ["figures/comparison.png", SEARCH, "results/claims.json"]
    done = snakemake(tmp_path, *targets, "--cores", "2", "--config", "seeds=[0]", project=changed, over=CLAIM)
    assert done.returncode == 0, output(done)
    record = json.loads((tmp_path / "results/runs/autoencoder/sign-descent/seed-0/run.json").read_text())
    assert record["status"] == "finished"
    record = records.read(tmp_path / SEARCH)["result"]
    assert [trial["settings"].keys() for trial in record["trials"]] == [{"length"}] * 3
    judgements = claims.read(tmp_path / "results/claims.json")
    assert {judgement.method for judgement in judgements} == {"badmm", "badmm-ls", "sign-descent"}
    assert all({*own.seeds, *own.lost[0], *own.lost[1]} == {0, 1, 2} for own in (each.own for each in judgements))


def test_settings_that_the_method_does_not_have_are_refused_by_name(changed):
    """Without an entry in the schema its constructor says which settings it has."""
    code = (
        "from replication import config\n"
        "settings = config.project('.', 'config/smoke.yaml')\n"
        "settings['experiments']['autoencoder']['optimizers']['sign-descent'] = {'lengthh': 1.0}\n"
        "config.check(settings, 'config/schema.yaml')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=changed, capture_output=True, text=True)
    assert "experiments.autoencoder.optimizers.sign-descent.lengthh: no setting of sign-descent" in done.stderr
