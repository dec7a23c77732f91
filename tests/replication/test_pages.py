"""The pages that people read: their numbers are those of the results, their tables narrow, their links whole."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from replication.errors import DataError
from replication.methods import METHODS, PEER, baselines, label
from replication.paths import PUBLISHED_TABLES
from replication.report import pages, rows

ROOT = Path(__file__).parents[2]
PATHS = pages.paths(ROOT)
RESULTS = rows.read(ROOT / PUBLISHED_TABLES)
BLOCKS = sorted({match[2] + match[3] for path in PATHS for match in pages.BLOCK.finditer(path.read_text())})
TABLES = {"runs": {"a/b": {"id": "a/b", "x": 0.12345, "word": "fast", "none": None}}}


def test_a_reference_is_filled_with_the_row_that_it_names():
    text = "Loss <!--runs a/b {x:.2f}-->9<!--/-->, <!--runs a/b {word} ({x:.0%})-->old\nlines<!--/-->."
    filled = pages.fill(text, TABLES)
    assert filled == "Loss <!--runs a/b {x:.2f}-->0.12<!--/-->, <!--runs a/b {word} ({x:.0%})-->fast (12%)<!--/-->."
    assert pages.fill(filled, TABLES) == filled


@pytest.mark.parametrize(
    "reference", ["gone a/b {x}", "runs a/c {x}", "runs a/b {y}", "runs a/b {word:.2f}", "runs a/b ratio"]
)
def test_a_reference_that_leads_nowhere_is_an_error_that_names_it(reference):
    with pytest.raises(DataError, match=re.escape(reference)):
        pages.fill(f"<!--{reference}-->1<!--/-->", TABLES)


@pytest.mark.parametrize("block", ["gone", "claims nowhere speed", "runs nowhere"])
def test_a_table_that_cannot_be_made_is_an_error_that_names_it(block):
    with pytest.raises(DataError, match=block.split()[0]):
        pages.fill(f"<!-- table {block} -->\nold\n<!-- end -->", TABLES | {"claims": {}})


@pytest.mark.parametrize(
    ("verdict", "lost", "text"),
    [
        ("holds here only", (None, None), "holds here only"),
        (None, (None, None), "no difference"),
        (None, (10, "0 2"), "no difference; lost: seed 0, 2, 10"),
    ],
)
def test_a_claim_on_a_page_has_its_verdict_or_its_outcome_elsewhere(verdict, lost, text):
    row = {"effect": 0.5, "low": 0.4, "high": 0.6, "outcome": "no difference", "verdict": verdict}
    row |= dict(zip(("lost", "baseline_lost"), lost, strict=True))
    made = {f"e/{against}/final/badmm": row for against in baselines()}
    *_, line = pages.claims({"claims": made}, "e", "speed").splitlines()
    assert cells(line)[2:] == ["0.5 (0.4 to 0.6)", text] * len(baselines())


def test_publishing_takes_tables_over_and_fills_pages_or_does_nothing(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("It is <!--made a {x}-->1<!--/-->.")
    table = tmp_path / "results" / "tables" / "made.csv"
    rows.write(table, [{"id": "a", "x": 2}])
    pages.publish(tmp_path / "results", tmp_path)
    assert (tmp_path / "README.md").read_text() == "It is <!--made a {x}-->2<!--/-->."
    assert rows.read(tmp_path / PUBLISHED_TABLES) == {"made": {"a": {"id": "a", "x": 2}}}
    (tmp_path / "docs" / "wrong.md").write_text("<!--made b {x}-->1<!--/-->")
    rows.write(table, [{"id": "a", "x": 3}])
    with pytest.raises(DataError):
        pages.publish(tmp_path / "results", tmp_path)
    assert "-->2<!--" in (tmp_path / "README.md").read_text()
    assert rows.read(tmp_path / PUBLISHED_TABLES)["made"]["a"]["x"] == 2


def cells(line: str) -> list[str]:
    """The cells of a line of a Markdown table."""
    return [cell.strip() for cell in re.sub(r"\\\||<!--.*?-->|`[^`]*`", "", line).strip("|").split("|")]


def body(block: str, tables: rows.Tables) -> list[list[str]]:
    """The lines of a page's table by their cells, its head first."""
    filled = pages.fill(f"<!-- table {block} -->\n<!-- end -->", tables)
    return [cells(line) for line in filled.splitlines() if line.startswith("|")]


def with_another_method(tables: rows.Tables, name: str, like: str) -> rows.Tables:
    """The tables with a row of the method `name` beside every row of the method `like`."""
    more: rows.Tables = {}
    for table, entries in tables.items():
        more[table] = {}
        for key, row in entries.items():
            more[table][key] = row
            if like in key.split("/"):
                key = "/".join(name if part == like else part for part in key.split("/"))
                more[table][key] = row | {"id": key} | ({"name": label(name)} if "name" in row else {})
    return more


@pytest.mark.parametrize("block", BLOCKS)
def test_a_table_takes_any_number_of_methods(block, monkeypatch):
    """One more judged method has the rows that any other has, in no more columns."""
    head, _, *before = body(block, RESULTS)
    monkeypatch.setitem(METHODS, "third", replace(METHODS["badmm"], label="Third", role=PEER))
    tables = with_another_method(RESULTS, "third", like="badmm")
    widened, _, *after = body(block, tables)
    assert widened == head
    assert len(head) <= 6
    assert [row for row in after if "Third" not in row] == before
    of_badmm = [row for row in before if label("badmm") in row]
    renamed = [["Third" if cell == label("badmm") else cell for cell in row] for row in of_badmm]
    assert [row for row in after if "Third" in row] == renamed
    if block.startswith("limits_where badmm "):
        assert body(block.replace("badmm", "third"), tables) == body(block, tables)


def test_tables_of_methods_are_among_the_blocks_of_the_pages():
    """So that the test above is no empty one."""
    assert sum(label("badmm") in row for block in BLOCKS for row in body(block, RESULTS)) > 50


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_no_number_of_a_page_is_stale(path):
    text = path.read_text()
    assert pages.fill(text, RESULTS) == text, "run: python -m replication pages"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_no_line_begins_with_a_reference(path):
    """A comment at the start of a line would end the paragraph."""
    assert re.findall(r"^ *<!--\w.*$", path.read_text(), re.MULTILINE) == []


def own_words(text: str) -> str:
    """What stands on a page by hand: no references, made tables, code, formulas, links' targets."""
    text = pages.BLOCK.sub("", pages.REFERENCE.sub("", text))
    for pattern in (
        r"```.*?```",
        r"(?m)^ {4}[^\n]*",
        r"\$\$.*?\$\$",
        r"`[^`]*`",
        r"\$[^$]*\$",
        r"\]\([^)]*\)",
        r"https?://\S+",
    ):
        text = re.sub(pattern, " ", text, flags=re.DOTALL)
    return text


# Numbers with a point that are no results: versions, arXiv numbers, and settings that config.yaml has.
KNOWN = {"3.11", "3.0", "0.3", "0.01", "1.3", "1.2"}  # Python, a licence, noise, the smallest ridge, tau_w, YAML
KNOWN |= {"0.1", "0.005"}  # the claims' margins


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_no_measured_number_is_written_by_hand(path):
    """A result has a point or a percent sign; each of these comes from a table or is known to be none."""
    words = re.sub(r"arXiv[: ]\d+\.\d+", " ", own_words(path.read_text()))
    numbers = re.findall(r"(?<![\w.])[+-]?\d[\d,]*\.\d+\b|\d+(?:\.\d+)? ?%| \d+ dB", words)
    assert set(numbers) <= KNOWN, numbers


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_tables_have_at_most_six_columns(path):
    for line in path.read_text().splitlines():
        if line.startswith("|"):
            assert len(cells(line)) <= 6, line


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_links_and_pictures_lead_somewhere(path):
    text = path.read_text()
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)]*))?\)", text):
        if "://" in target:
            continue
        page = (path.parent / target) if target else path
        assert page.exists(), target
        if anchor:
            heads = [re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings(page.read_text())]
            assert anchor in heads, f"{target}#{anchor}"


def headings(text: str) -> list[str]:
    return re.findall(r"^#+ (.*)$", text, re.MULTILINE)


def test_the_readme_can_be_read_in_a_few_minutes():
    text = re.sub(r"<!--.*?-->", "", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    assert len(text.split()) <= 900


def test_code_of_the_readme_fits_a_narrow_screen():
    text = (ROOT / "README.md").read_text()
    lines = [line for block in re.findall(r"```\w*\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    lines += re.findall(r"^ {4}(.*)$", text, re.MULTILINE)
    assert max(map(len, lines)) <= 39


def test_the_readme_gives_the_answer_before_the_commands_and_these_before_the_rest():
    _, answer, commands, *_ = re.split(r"^## ", (ROOT / "README.md").read_text(), flags=re.MULTILINE)
    code = re.compile(r"^```|^ {4}\S", re.MULTILINE)
    assert "<!--claims " in answer
    assert not code.search(answer)
    assert code.search(commands)


def test_every_page_of_the_evidence_opens_with_the_answer():
    for name in ("claims", "limits", "perceptron", "inside", "assumptions", "scaling"):
        text = re.sub(r"<!--.*?-->", "", (ROOT / "docs" / f"{name}.md").read_text())
        opening = text.split("\n\n")[1]
        assert not opening.startswith(("#", "|", "!")), name
        sentences = [s for s in re.split(r"(?<=[.:])\s", opening) if s.strip()]
        assert 3 <= len(sentences) <= 5, (name, sentences)


def test_pages_show_every_committed_figure_and_no_other():
    shown = {name for path in PATHS for name in re.findall(r"figures/([\w.]+\.png)", path.read_text())}
    assert shown == {path.name for path in (ROOT / "figures").glob("*.png")}
