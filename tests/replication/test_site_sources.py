"""What the site is made of, without Sphinx, npm or a browser: pages made fit, data files, and the bundles' hashes."""

import base64
import hashlib
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from replication import config
from replication.errors import DataError
from replication.methods import compared, label
from replication.paths import PUBLISHED_TABLES
from replication.report import rows
from replication.report.site import data, sources
from replication.report.site.bundles import BUNDLES, unpack

ROOT = Path(__file__).parents[2]
TABLES = rows.read(ROOT / PUBLISHED_TABLES)


@pytest.fixture(scope="module")
def project() -> dict:
    return config.project(ROOT)


def test_a_page_loses_its_comments_and_keeps_its_code(tmp_path):
    page = tmp_path / "docs" / "page.md"
    page.parent.mkdir()
    page.write_text("It is 1<!--a-->, not `<!--code-->`.\n```\n<!--kept-->\n```\n<!-- numbers\na: 1 = b c {x}\n-->\n")
    assert sources.clean(page, tmp_path) == "It is 1, not `<!--code-->`.\n```\n<!--kept-->\n```\n\n"


def test_a_link_to_the_readme_leads_to_the_first_page_and_one_to_nothing_becomes_words(tmp_path):
    page = tmp_path / "docs" / "page.md"
    page.parent.mkdir()
    page.write_text("[a](../README.md#b), [c](gone.md), [d](https://e.f), [g](page.md#h)")
    log = []
    assert sources.clean(page, tmp_path, log.append) == "[a](../index.md#b), c, [d](https://e.f), [g](page.md#h)"
    assert log == ["docs/page.md links to gone.md, which is not there"]


def test_each_assumption_that_the_limits_or_an_experiment_move_leads_there(project):
    text = sources.link_assumptions((ROOT / "docs/assumptions.md").read_text(), project, TABLES)
    (line,) = (line for line in text.splitlines() if line.startswith("| initial weights |"))
    assert 'href="../verdicts.html#initial-weights-times-0.1"' in line
    assert "(../experiments/autoencoder-small-weights.md)" in line
    (line,) = (line for line in text.splitlines() if line.startswith("| open |"))
    assert line.endswith("| what moving it does |")


def test_the_page_of_an_experiment_has_the_numbers_that_are_published_of_it(project):
    page = sources.experiment(ROOT, "autoencoder", project["experiments"]["autoencoder"], TABLES)
    row = TABLES["references"]["autoencoder/badmm"]
    assert f"{row['unseen_psnr']:.1f}" in page
    assert "../notebooks/executed/autoencoder/badmm.ipynb" in page
    without = sources.experiment(ROOT, "new", project["experiments"]["autoencoder"], TABLES)
    assert "## Claims" not in without


def test_a_notebook_has_its_method_in_the_title_and_its_images_are_described_by_the_heading_above():
    notebook = json.loads(sources.show_notebook(ROOT / "notebooks/executed/autoencoder/badmm.ipynb"))
    assert notebook["cells"][0]["source"].startswith("# Denoising autoencoder: BADMM (gradient)\n")
    described = [
        cell["metadata"]["mystnb"]["image"]["alt"] for cell in notebook["cells"] if "mystnb" in cell["metadata"]
    ]
    assert described == [f"Figure under the heading: {heading}" for heading in ("The losses", "The denoised images")]


def test_a_bundle_is_unpacked_only_if_it_is_the_one_that_was_meant(tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "code.js").write_text("1;")
    packed = tmp_path / "code.tgz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(tmp_path / "package", "package")
    bundle = replace(BUNDLES["uplot"], files=("code.js",))
    with pytest.raises(DataError, match=r"uplot@.*is refused"):
        unpack(packed, bundle, tmp_path / "refused")
    own = base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()
    unpack(packed, replace(bundle, integrity=f"sha512-{own}"), tmp_path / "taken")
    assert (tmp_path / "taken" / "code.js").read_text() == "1;"


def test_every_cell_of_the_limits_has_its_runs_and_every_row_of_claims_its_text(project, tmp_path):
    data.write(ROOT, tmp_path, project, TABLES, runs=[])

    def read(name: str) -> object:
        _, _, text = (tmp_path / "data" / f"{name}.js").read_text().partition(" = ")
        return json.loads(text.rstrip(";\n"))

    limits = read("limits")
    assert len(limits["cells"]) == sum("/" in name for name in TABLES["limits"])
    for cell in limits["cells"]:
        behind = limits["runs"][cell["slug"]][cell["pair"][0]][cell["chosenBy"]]
        assert (tmp_path.joinpath(*Path(behind["record"]).parts[1:])).exists()
    assert {row["text"] == "" for row in read("claims")} == {False}
    assert [run["label"] for run in read("denoised")["runs"]] == [label(name) for name in compared()]
    assert {entry["experiment"] for entry in read("searches")} == set(project["tuned"])
    slug, *_ = read("settings")[0]
    (curve, *_) = read(f"curves/{slug}")["choices"][data.CHOSEN_BY["train_loss"]]
    first, last = curve["runs"][0]["points"][0], curve["runs"][0]["points"][-1]
    assert (first[0], last[0]) == (0, project["experiments"]["autoencoder"]["iterations"])
    assert last[1] < first[1]
