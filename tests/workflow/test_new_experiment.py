"""A new experiment as a user adds it (docs/adding-an-experiment.md): its task, its name, its keys, its section."""

import json
import re
from pathlib import Path

import pytest
from snakemake_calls import ROOT, insert, output, snakemake

from replication import records
from replication.verdicts import claims

PAGE = (ROOT / "docs" / "adding-an-experiment.md").read_text()
TASK, IMPORT, LINE, KEYS, SECTION, EVERY_SETTING = re.findall(r"```(?:python|yaml)\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def changed(project) -> Path:
    """The copy of the project, with the experiment of the page."""
    data = project / "src/replication/data"
    (data / "inpainting.py").write_text(TASK)
    insert(data / "__init__.py", "", IMPORT, "from replication.data.mnist")
    insert(data / "__init__.py", "PROBLEMS = {", LINE)
    insert(project / "src/replication/parameters.py", "NEED_IMAGES = (", '"inpainting", ')
    schema = project / "config/schema.yaml"
    insert(schema, "Which problem., enum: [", "inpainting, ")
    insert(schema, "", KEYS, "  network:\n    type: object\n    additionalProperties: false\n")
    insert(project / "config/config.yaml", "", SECTION + "\n", "\nbenchmark:\n")
    with (project / "config/every_setting.yaml").open("a") as file:
        file.write(EVERY_SETTING)
    return project


SMALL = """
experiments:
  inpainting:
    problem: {unseen_images: 50}
    network: {hidden: [8]}
    iterations: 12
    tuning: {trials: 3, seeds: [1000, 1001], finalists: 1}
  inpainting-every-setting:
    tuning: {trials: 3, trials_beyond_two: 3, guided: {train_loss: 1, validation_loss: 1}}
claims:
  seeds: [0, 1, 2]
  kinds: [{name: rate searched, suffix: "", variants: {}}]
  statements:
    - id: autoencoder
      claim: It converges faster
      source: nowhere
      experiment: autoencoder
      elsewhere: [inpainting]
      criterion: train_loss
      against: [adam]
      quantities: [final]
"""


@pytest.mark.slow
def test_the_experiment_of_the_page_is_run_tuned_and_judged(changed, tmp_path):
    run = "results/runs/inpainting/badmm/seed-0/run.json"
    searches = [f"results/records/tuning/{name}/adam.jsonl" for name in ("inpainting", "inpainting-every-setting")]
    targets = ["results/notebooks/inpainting/badmm.ipynb", *searches, "results/claims.json"]
    done = snakemake(tmp_path, *targets, "--cores", "2", "--config", "seeds=[0]", project=changed, over=SMALL)
    assert done.returncode == 0, output(done)
    record = json.loads((tmp_path / run).read_text())
    assert (record["status"], record["parameters"]["problem"]["kept_rows"]) == ("finished", 14)
    assert record["final"]["unseen_psnr"] > 0
    of_rate, of_every = (records.read(tmp_path / path)["result"] for path in searches)
    assert len(of_rate["trials"]) == len(of_every["trials"]) == 3
    assert (set(of_rate["ranges"]), len(of_every["ranges"])) == ({"learning_rate"}, 4)
    judgements = claims.read(tmp_path / "results/claims.json")
    assert {judgement.method for judgement in judgements} == {"badmm", "badmm-ls"}
    assert all(judgement.elsewhere.keys() == {"inpainting"} for judgement in judgements)
    wrong = SMALL.replace("problem: {", "problem: {kept_rows: 28, ")
    refused = snakemake(tmp_path, run, "--dry-run", "--cores", "1", project=changed, over=wrong)
    assert "experiments.inpainting.problem.kept_rows: 28 is greater" in output(refused)
