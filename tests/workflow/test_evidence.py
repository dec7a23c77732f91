"""The targets that gather evidence, on the smoke configuration: claims and limits."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from snakemake_calls import ROOT, jobs, output, snakemake

from replication import config, records
from replication.compute.maps import LINEAR_MAP, MEAN_IMAGE, NOISY_INPUT
from replication.methods import judged, label
from replication.plan import Plan
from replication.report import rows
from replication.report.ablation import ablation_block
from replication.report.claims import references_block
from replication.report.perceptron import conditioning_block
from replication.report.registry import FIGURE, TABLE, of_target
from replication.studies import limits as settings_of_limits
from replication.studies.claims import BESIDE
from replication.verdicts import claims, limits
from replication.verdicts.effects import OUTCOMES

pytestmark = pytest.mark.slow
TARGETS = "claims", "limits"


@pytest.fixture(scope="module")
def fewer(smoke_config) -> dict:
    """On top of the smoke configuration: claims on their own experiment alone, and two settings of the limits.

    Each job takes seconds, whatever it trains.
    """
    statements = [
        {key: value for key, value in statement.items() if key != "elsewhere"}
        for statement in smoke_config["claims"]["statements"]
    ]
    settings = [s for s in smoke_config["limits"]["settings"] if s["group"] in ("default", "algorithm")]
    kinds = smoke_config["claims"]["kinds"][:1]
    return {"claims": {"statements": statements, "kinds": kinds}, "limits": {"settings": settings}}


@pytest.fixture(scope="module")
def settings(smoke_config, fewer) -> dict:
    return config.merge(smoke_config, fewer)


@pytest.fixture(scope="module")
def call(fewer):
    """A function that calls the workflow in a folder, with the targets and options."""

    def call(directory: Path, *arguments: str) -> subprocess.CompletedProcess:
        return snakemake(directory, *arguments, "--cores", "2", over=yaml.safe_dump(fewer))

    return call


@pytest.fixture(scope="module")
def finished(tmp_path_factory, call) -> Path:
    directory = tmp_path_factory.mktemp("evidence")
    done = call(directory, *TARGETS)
    assert done.returncode == 0, output(done)
    return directory


@pytest.fixture(scope="module")
def tables(finished) -> rows.Tables:
    return rows.read(finished / "results" / "tables")


def assert_drawn(directory: Path, *targets: str) -> None:
    for target in targets:
        for name in of_target(FIGURE, target):
            for ending in ("pdf", "png"):
                assert (directory / f"figures/{name}.{ending}").stat().st_size > 5000, name


def test_every_claim_has_a_verdict_for_each_method(finished, settings):
    judgements = claims.read(finished / "results/claims.json")
    expected = {
        f"{statement['id']}/{against}/{quantity}/{method}"
        for statement in settings["claims"]["statements"]
        if "experiment" in statement
        for against in statement["against"]
        for quantity in statement["quantities"]
        for method in judged()
    }
    assert {judgement.id for judgement in judgements} == expected | {"gradient"}
    assert {judgement.verdict for judgement in judgements} <= set(OUTCOMES)
    outcomes = [outcome for judgement in judgements for outcome in judgement.outcomes.values()]
    assert all(len({*outcome.seeds, *outcome.lost[0], *outcome.lost[1]}) == 3 for outcome in outcomes)


def test_every_table_and_figure_of_the_targets_is_made(finished, tables):
    assert tables.keys() == {name for target in TARGETS for name in of_target(TABLE, target)}
    assert tables["claims"]["autoencoder/adam/iterations/badmm"]["outcome"] in OUTCOMES
    assert_drawn(finished, *TARGETS)


def test_pages_can_be_filled_from_the_tables(tables):
    references = references_block(tables, "autoencoder")
    beside = [label(name) for name in BESIDE]
    for name in (NOISY_INPUT, MEAN_IMAGE, LINEAR_MAP, *beside):
        assert f"| {name} |" in references
    for block in (conditioning_block(tables, "perceptron"), ablation_block(tables)):
        assert block.count("\n") > 2


def test_every_setting_of_the_limits_is_judged_from_its_records(finished, settings):
    judgements = limits.read(finished / "results/limits.json")
    expected = settings_of_limits.settings(settings)
    assert [(one.group, one.name) for one in judgements] == [(one.group, one.name) for one in expected]
    for setting in judgements:
        assert len(setting.verdicts) == len(judged()) * len(limits.tests())
        assert {verdict.verdict for verdict in setting.verdicts} <= set(OUTCOMES)
    written = {str(path.relative_to(finished)) for path in (finished / "results/records/limits").rglob("*.jsonl")}
    assert written == set(Plan(settings, str(ROOT)).files("limits/*"))


def test_published_records_answer_their_jobs_before_any_starts(finished, tmp_path, call):
    """Of the limits alone: what is published of them needs no rule."""
    made = [
        record for path in (finished / "results/records/limits").rglob("*.jsonl") for record in records.read_all(path)
    ]
    records.write(tmp_path / "data" / "limits.jsonl", made)
    done = call(tmp_path / "work", "results/limits.json", "--dry-run", "--config", f"published={tmp_path}/data")
    assert jobs(done) == {"collect": 1}, output(done)


def test_limits_go_on_where_they_were_stopped(finished, tmp_path, call):
    names = ["results/records/limits/default-default/adam.jsonl", "results/limits.json"]
    kept = [shutil.move(finished / name, tmp_path / str(number)) for number, name in enumerate(names)]
    try:
        done = call(finished, "results/limits.json", "--dry-run")
        assert jobs(done) == {"answer": 1, "collect": 1}, output(done)
    finally:
        for path, name in zip(kept, names, strict=True):
            shutil.move(path, finished / name)
