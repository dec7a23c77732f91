"""The targets that gather evidence, on the smoke configuration: claims, limits, tune, benchmark and full_mnist."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from replication.studies.maps import LINEAR_MAP, MEAN_IMAGE, NOISY_INPUT
from snakemake_calls import ROOT, jobs, output, snakemake

from replication import config
from replication.methods import judged, label
from replication.paths import figures
from replication.plan import BESIDE, FIGURES, TABLES, Plan
from replication.report import pages, rows
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
def plan(smoke_config, fewer) -> Plan:
    return Plan(config.merge(smoke_config, fewer), str(ROOT))


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
        for name in FIGURES.get(target, []):
            for path in figures(name):
                assert (directory / path).stat().st_size > 5000, path


def test_every_claim_has_a_verdict_for_each_method(finished, plan):
    judgements = claims.read(finished / "results/claims.json")
    expected = {
        f"{statement['id']}/{against}/{quantity}/{method}"
        for statement in plan.statements
        for against in statement["against"]
        for quantity in statement["quantities"]
        for method in judged()
    }
    assert {judgement.id for judgement in judgements} == expected | {"gradient"}
    assert {judgement.verdict for judgement in judgements} <= set(OUTCOMES)
    outcomes = [outcome for judgement in judgements for outcome in judgement.outcomes.values()]
    assert all(len({*outcome.seeds, *outcome.lost[0], *outcome.lost[1]}) == 3 for outcome in outcomes)


def test_every_table_and_figure_of_the_targets_is_made(finished, tables):
    assert tables.keys() == {name for target in TARGETS for name in TABLES[target]}
    assert tables["claims"]["autoencoder/adam/iterations/badmm"]["outcome"] in OUTCOMES
    for target in TARGETS:
        (row,) = tables[f"time_{target}"].values()
        assert row["minutes"] >= row["longest"] > 0
    assert_drawn(finished, *TARGETS)


def test_pages_can_be_filled_from_the_tables(tables, plan):
    references = pages.references(tables, "autoencoder")
    beside = [label(name) for name in BESIDE]
    for name in (NOISY_INPUT, MEAN_IMAGE, LINEAR_MAP, *beside):
        assert f"| {name} |" in references
    for block in (pages.conditioning(tables, "perceptron"), pages.ablation(tables)):
        assert block.count("\n") > 2


def test_every_setting_of_the_limits_is_judged_from_its_records(finished, plan):
    settings = limits.read(finished / "results/limits.json")
    assert [(s.group, s.name) for s in settings] == [(s.group, s.name) for s in plan.limits.settings.values()]
    assert [setting.records for setting in settings] == [setting.files for setting in plan.limits.settings.values()]
    for setting in settings:
        assert len(setting.verdicts) == len(judged()) * len(limits.tests())
        assert {verdict.verdict for verdict in setting.verdicts} <= set(OUTCOMES)
    written = {str(path.relative_to(finished)) for path in (finished / "results/limits").rglob("*.json")}
    assert written == set(plan.limits.files)


def test_published_records_are_taken_over(finished, tmp_path, monkeypatch, plan):
    monkeypatch.chdir(finished)
    limits.publish("results/limits.json", tmp_path / "data")
    published = config.merge(plan.config, {"limits": {"published": str(tmp_path / "data")}})
    files = {Path(path).resolve() for path in Plan(published, str(ROOT)).limits.files}
    assert files == {*(tmp_path / "data").rglob("*.json")}


def test_limits_go_on_where_they_were_stopped(finished, tmp_path, call):
    names = ["results/limits/default-default/adam.json", "results/limits.json"]
    kept = [shutil.move(finished / name, tmp_path / str(number)) for number, name in enumerate(names)]
    try:
        done = call(finished, "results/limits.json", "--dry-run")
        assert jobs(done) == {"study_setting": 1, "collect_limits": 1}, output(done)
    finally:
        for path, name in zip(kept, names, strict=True):
            shutil.move(path, finished / name)
