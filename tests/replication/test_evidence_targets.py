"""The targets that gather evidence, on the smoke configuration."""

import json
import shutil
import subprocess
from pathlib import Path

import nbformat
import pytest
import yaml
from workflow import ROOT, SNAKEMAKE, jobs, output, snakemake

from replication import config
from replication.report import pages, rows as tables
from replication.studies import limits
from replication.verdicts import claims

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    directory = tmp_path_factory.mktemp("evidence")
    done = snakemake(directory, "claims", "limits", "tune", "--cores", "2")
    assert done.returncode == 0, output(done)
    return directory


def test_every_claim_has_a_verdict_for_each_reading(finished, smoke_config):
    entries = json.loads((finished / "results/claims.json").read_text())
    assert all(entry.keys() >= {"id", "claim", "verdict", "effect", "interval", "seeds"} for entry in entries)
    expected = {"gradient"}
    for statement in smoke_config["claims"]["statements"]:
        for against in statement.get("against", []):
            for quantity in statement["quantities"]:
                expected |= {f"{statement['id']}/{against}/{quantity}/{reading}" for reading in config.READINGS}
    assert {entry["id"] for entry in entries} == expected
    assert {entry["verdict"] for entry in entries} <= set(claims.VERDICTS)
    assert all(len(entry["seeds"]) == 3 for entry in entries)
    page = pages.references(tables.read(finished / "results/tables"), "autoencoder")
    for name in ("noisy input", "mean image", "linear map", "L-BFGS", "Adam, weight decay", "Adam, mini-batches"):
        assert f"| {name} |" in page


def test_every_table_of_the_evidence_is_written(finished):
    written = tables.read(finished / "results/tables")
    targets = {f"time_{target}" for target in ("tune", "claims", "limits")}
    assert written.keys() == targets | {
        *(
            "claims",
            "references",
            "trained",
            "limits",
            "limits_active",
            "limits_where",
            "conditioning",
            "pixels",
            "ablation",
        )
    }
    assert written["claims"]["autoencoder/adam/iterations/badmm"]["outcome"] in claims.OUTCOMES
    for target in targets:
        (row,) = written[target].values()
        assert row["minutes"] >= row["longest"] > 0
    for block in (pages.conditioning(written, "perceptron"), pages.ablation(written), pages.times(written)):
        assert block.count("\n") > 2


def test_runs_of_claims_use_the_settings_that_their_column_chose(finished, smoke_config):
    for experiment in ("autoencoder", "autoencoder-regularised", "autoencoder-small-weights"):
        for column, chosen in smoke_config["experiments"][experiment]["tuned_on"].items():
            for name in ("sgd", "badmm-ls"):
                path = finished / f"results/claims/{experiment}/{column}/{name}.json"
                assert path.exists() == ((experiment, column) != ("autoencoder-regularised", "train_loss"))
                if path.exists():
                    assert chosen[name].items() <= json.loads(path.read_text())["settings"].items()


def test_every_setting_of_the_limits_is_judged(finished, smoke_config):
    settings = json.loads((finished / "results/limits.json").read_text())
    assert [setting["name"] for setting in settings] == [s["name"] for s in smoke_config["limits"]["settings"]]
    count = len(config.READINGS) * len(limits.TESTS)
    assert all(len(setting["verdicts"]) == count for setting in settings)
    assert {v["verdict"] for setting in settings for v in setting["verdicts"]} <= set(limits.VERDICTS)


def test_what_is_moved_is_computed_anew_for_those_that_it_touches_alone(finished):
    """The order of the blocks is nothing to SGD and Adam: their runs are those of the default."""
    folder = finished / "results/limits"
    assert {path.stem for path in (folder / "default-default").iterdir()} == {
        *config.BASELINES,
        *config.READINGS,
        "bounds",
        "timing",
    }
    assert {path.stem for path in (folder / "algorithm-order").iterdir()} == {*config.READINGS, "timing"}


def test_limits_go_on_where_they_were_stopped(finished, tmp_path):
    names = ["results/limits/default-default/adam.json", "results/limits.json"]
    kept = [shutil.move(finished / name, tmp_path / str(place)) for place, name in enumerate(names)]
    try:
        done = snakemake(finished, "limits", "--dry-run", "--cores", "2")
        assert jobs(done)["study_setting"] == 1
    finally:
        for path, name in zip(kept, names, strict=True):
            shutil.move(path, finished / name)


def test_published_records_are_taken_over_unless_all_is_to_be_computed_anew(finished, tmp_path, monkeypatch):
    monkeypatch.chdir(finished)
    limits.publish("results/limits.json", tmp_path / "data")
    for published, studies in ((tmp_path / "data", 0), (None, 10)):
        over = yaml.safe_dump({"limits": {"published": published and str(published)}})
        done = snakemake(tmp_path / "work", "results/limits.json", "--dry-run", "--cores", "2", over=over)
        assert jobs(done).get("study_setting", 0) == studies, output(done)


def test_records_in_the_repository_are_those_that_its_settings_ask_for(tmp_path):
    """So that all is judged anew from them, without any training."""
    command = [SNAKEMAKE, "results/limits.json", "--cores", "1"]
    command += ["--snakefile", ROOT / "Snakefile", "--directory", tmp_path]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert (done.returncode, jobs(done)) == (0, {"collect_limits": 1}), output(done)
    settings = json.loads((tmp_path / "results/limits.json").read_text())
    used = {Path(record).parts[-2:] for setting in settings for record in setting["records"]}
    assert used == {path.parts[-2:] for path in (ROOT / "data/limits").rglob("*.json")}


def test_chosen_settings_have_the_form_of_the_configuration(finished):
    tuned = yaml.safe_load((finished / "results/tuned.yaml").read_text())["experiments"]
    assert tuned["autoencoder"]["tuned_on"].keys() == {"train_loss", "validation_loss"}
    assert tuned["autoencoder"]["optimizers"] == tuned["autoencoder"]["tuned_on"]["validation_loss"]


@pytest.mark.parametrize("name", ["claims", "limits"])
def test_the_notebooks_are_executed_and_answer(finished, name):
    cells = nbformat.read(finished / f"results/notebooks/{name}.ipynb", 4).cells
    texts = "".join(out.get("text", "") for cell in cells for out in cell.get("outputs", []))
    assert {"claims": "not replicated:", "limits": "condition number 100:"}[name] in texts
    assert any("image/png" in out.get("data", {}) for cell in cells for out in cell.get("outputs", []))


def test_figures_are_drawn(finished):
    for name in ("limits", "conditioning", "ablation", "tuning", "tuning_perceptron"):
        assert (finished / f"figures/{name}.png").stat().st_size > 5000
