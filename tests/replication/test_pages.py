"""The pages that people read: their numbers are those of the results, their tables narrow, their links whole."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from replication.errors import DataError
from replication.methods import METHODS, PEER, baselines, label
from replication.paths import PUBLISHED_TABLES
from replication.report import pages, rows
from replication.report.claims import claims_block, verdicts_block

ROOT = Path(__file__).parents[2]
PATHS = pages.paths(ROOT)
RESULTS = rows.read(ROOT / PUBLISHED_TABLES)
BLOCKS = sorted({match[2] + match[3] for path in PATHS for match in pages.TABLE.finditer(path.read_text())})
TABLES = {"runs": {"a/b": {"id": "a/b", "x": 0.12345, "word": "fast", "none": None}}}


def page(text: str, *references: str) -> str:
    return "\n".join([text, "", "<!-- numbers", *references, "-->", ""])


def test_a_number_is_filled_with_the_row_that_its_reference_names_wherever_its_mark_stands():
    new = "0.12 = runs a/b {x:.2f}", "fast (12%) = runs a/b {word} ({x:.0%})"
    text = page(
        "9<!--a--> and\n9<!--a-->, old\nlines<!--bb-->.", "a: 9 = runs a/b {x:.2f}", f"bb: old lines = {new[1][13:]}"
    )
    filled = page("0.12<!--a--> and\n0.12<!--a-->, fast (12%)<!--bb-->.", f"a: {new[0]}", f"bb: {new[1]}")
    assert pages.fill(text, TABLES) == filled
    assert pages.fill(filled, TABLES) == filled


@pytest.mark.parametrize(
    "source", ["gone a/b {x}", "runs a/c {x}", "runs a/b {y}", "runs a/b {word:.2f}", "runs a/b ratio"]
)
def test_a_reference_that_leads_nowhere_is_an_error_that_names_it(source):
    with pytest.raises(DataError, match=re.escape(source)):
        pages.fill(page("1<!--a-->", f"a: 1 = {source}"), TABLES)


GOOD = "a: 1 = runs a/b {x:.0f}"


@pytest.mark.parametrize(
    ("text", "references", "error"),
    [
        ("1<!--a-->, 2<!--b-->", [GOOD], r"marks \['a', 'b'\] and references \['a'\]"),
        ("1<!--a-->", [GOOD, GOOD.replace("a:", "b:")], r"marks \['a'\] and references \['a', 'b'\]"),
        ("1<!--a-->", [GOOD, GOOD.replace("1", "0")], r"references \['a', 'a'\]"),
        ("1<!--a--> 2<!--a-->", [GOOD], "<!--a--> does not stand after '1'"),
        ("11<!--a-->", [GOOD], "<!--a--> does not stand after '1'"),
        ("1<!--a-->", ["a 1 runs a/b {x}"], "'a 1 runs a/b {x}' is not of the form"),
    ],
    ids=["no reference", "no mark", "two references", "another number", "end of a number", "form"],
)
def test_marks_and_references_that_do_not_match_are_an_error(text, references, error):
    with pytest.raises(DataError, match=error):
        pages.fill(page(text, *references), TABLES)


@pytest.mark.parametrize("block", ["gone", "claims nowhere final", "verdicts nowhere badmm final", "runs nowhere"])
def test_a_table_that_cannot_be_made_is_an_error_that_names_it(block):
    with pytest.raises(DataError, match=block.split()[0]):
        pages.fill(f"<!-- table {block} -->\nold\n<!-- end -->", TABLES | {"claims": {}})


KINDS = "rate searched", "every setting searched"
OUTCOME = {"statement": "s", "experiment": "e", "effect": 0.5, "low": 0.4, "high": 0.6, "outcome": "holds"}
OUTCOME |= dict.fromkeys(("verdict", "agree", "agree_at", "lost", "baseline_lost", "holm", "exact_outcome"))


def made_claims(quantity: str = "final", **columns) -> rows.Tables:
    """The table of one test with both kinds of baseline; `columns` are those of Adam's row with the first kind."""
    table = {}
    for kind, suffix in zip(KINDS, ("", "-every-setting"), strict=True):
        for against in baselines():
            name = f"e{suffix}/{against}/{quantity}/badmm"
            table[name] = OUTCOME | {"kind": kind} | (columns if (kind, against) == (KINDS[0], "adam") else {})
    return {"claims": {"gradient": {"verdict": "holds"}} | table}


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({"outcome": "no difference"}, "no difference"),
        ({"outcome": "undecided", "lost": 10, "baseline_lost": "0 2"}, "undecided [lost 0 2 10]"),
        ({"exact_outcome": "holds"}, "holds"),
        ({"exact_outcome": "does not hold", "holm": "removed", "lost": 0}, "holds [lost 0; slack; Holm]"),
    ],
)
def test_a_cell_of_a_claim_has_its_effect_its_word_and_marks(columns, text):
    head, _, line = claims_block(made_claims(**columns), "e", "final").splitlines()
    assert cells(head)[2:] == [f"{label(against)}, {kind}" for against in baselines() for kind in KINDS]
    usual = "0.5 (0.4 to 0.6), holds"
    assert cells(line)[2:] == [usual, usual, f"0.5 (0.4 to 0.6), {text}", usual]


def test_iterations_have_a_line_without_slack_and_a_kind_without_the_test_a_dash():
    exact = {"exact_effect": 2.0, "exact_low": 1.5, "exact_high": 3.0, "exact_outcome": "does not hold"}
    tables = made_claims("iterations", **exact)
    for row in tables["claims"].values():
        row |= {} if "exact_effect" in row else dict.fromkeys(exact) | {"exact_outcome": "undecided"}
    del tables["claims"]["e-every-setting/adam/iterations/badmm"]
    *_, near, without = (cells(line) for line in claims_block(tables, "e", "iterations", "final").splitlines())
    assert near[1:3] == ["iterations", "0.5 (0.4 to 0.6), holds [slack]"]
    assert (near[4:], without[1]) == (["0.5 (0.4 to 0.6), holds [slack]", "-"], "iterations, no slack")
    assert without[3:] == ["-, undecided", "2 (1.5 to 3), does not hold", "-"]


def test_verdicts_are_those_of_the_own_experiment_with_the_others_that_agree():
    tables = made_claims(verdict="holds", agree="1 of 2", agree_at="other", holm="removed")
    tables["claims"]["e-every-setting/adam/final/badmm"] |= {"verdict": "no verdict", "agree": "0 of 2"}
    tables["claims"]["e/sgd/final/badmm"] |= {"verdict": "undecided", "agree": "0 of 2", "statement": "s"}
    head, _, *lines = verdicts_block(tables, "s", "badmm", "final").splitlines()
    assert cells(head)[2::2] == list(KINDS)
    assert sorted(map(cells, lines)) == [
        ["final training loss", "Adam", "holds [Holm]", "1 of 2: other", "no verdict", "0 of 2"],
        ["final training loss", "SGD", "undecided", "0 of 2", "-", "-"],
    ]
    with pytest.raises(KeyError, match="s/badmm-ls/final"):
        verdicts_block(tables, "s", "badmm-ls", "final")


def test_publishing_takes_tables_over_and_fills_pages_or_does_nothing(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text(page("It is 1<!--a-->.", "a: 1 = made a {x}"))
    table = tmp_path / "results" / "tables" / "made.csv"
    rows.write(table, [{"id": "a", "x": 2}])
    pages.publish(tmp_path / "results", tmp_path)
    assert (tmp_path / "README.md").read_text() == page("It is 2<!--a-->.", "a: 2 = made a {x}")
    assert rows.read(tmp_path / PUBLISHED_TABLES) == {"made": {"a": {"id": "a", "x": 2}}}
    (tmp_path / "docs" / "wrong.md").write_text(page("1<!--a-->", "a: 1 = made b {x}"))
    rows.write(table, [{"id": "a", "x": 3}])
    with pytest.raises(DataError):
        pages.publish(tmp_path / "results", tmp_path)
    assert "2<!--a-->" in (tmp_path / "README.md").read_text()
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
def test_no_line_begins_with_a_mark(path):
    """A comment at the start of a line would end the paragraph."""
    assert re.findall(r"^ *<!--\w.*$", path.read_text(), re.MULTILINE) == []


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_a_page_reads_well_as_source(path):
    """Lines fit a screen, but for tables, code, formulas and the references at the end."""
    text, _, _ = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL).partition("<!-- numbers\n")
    assert [line for line in text.splitlines() if len(line) > 120 and not line.startswith(("|", "    ", "$$"))] == []


def own_words(text: str) -> str:
    """What stands on a page by hand: no marked numbers, made tables, code, formulas, links' targets."""
    text, _, references = text.partition("<!-- numbers\n")
    for mark, number in re.findall(r"^(\w+): (.*?) = ", references, re.MULTILINE):
        text = text.replace(f"{number}<!--{mark}-->", "")
    text = pages.TABLE.sub("", text)
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
KNOWN = {
    "3.11",
    "3.12",
    "3.13",
    "3.14",
    "3.0",
    "0.3",
    "0.01",
    "1.3",
    "1.2",
}  # Python, a licence, noise, the smallest ridge, tau_w, YAML
KNOWN |= {"0.1", "0.005"}  # the claims' margins


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_no_measured_number_is_written_by_hand(path):
    """A result has a point or a percent sign; each of these comes from a table or is known to be none."""
    words = re.sub(r"arXiv[:\s]\s*\d+\.\d+", " ", own_words(path.read_text()))
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
    assert len(pages.MARK.findall(answer)) > 10
    assert not code.search(answer)
    assert code.search(commands)


def test_every_page_of_the_evidence_opens_with_the_answer():
    for name in ("claims", "limits", "perceptron", "inside", "assumptions", "scaling"):
        text = re.sub(r"<!--.*?-->", "", (ROOT / "docs" / f"{name}.md").read_text())
        opening = text.split("\n\n")[1]
        assert not opening.startswith(("#", "|", "!")), name
        sentences = [s for s in re.split(r"(?<=[.:])\s", opening) if s.strip()]
        assert 3 <= len(sentences) <= 5, (name, sentences)


@pytest.mark.parametrize("name", ["claims", "perceptron"])
def test_a_caption_over_each_table_of_the_claims_names_its_experiment(name):
    text = (ROOT / "docs" / f"{name}.md").read_text()
    for before, block in re.findall(r"\n\n([^\n]+(?:\n[^\n]+)*)\n\n<!-- table ([^\n]*) -->", text):
        experiment = block.split()[1].replace("images", "autoencoder")
        assert f"`{experiment}`" in before or f"<code>{experiment}</code>" in before, block
        assert before.startswith("*") or before.endswith("</summary>"), block


def test_the_claims_open_with_a_summary_of_six_rows():
    tables = re.findall(r"(?:^\|.*\n)+", (ROOT / "docs/claims.md").read_text(), re.MULTILINE)
    assert len(tables[0].splitlines()) == 2 + 6


def test_the_glossary_is_short_and_in_alphabetical_order():
    _, _, *lines = [line for line in (ROOT / "docs/glossary.md").read_text().splitlines() if line.startswith("|")]
    terms = [cells(line)[0].lower() for line in lines]
    assert len(terms) <= 25
    assert terms == sorted(terms)


def test_pages_show_every_committed_figure_and_no_other():
    shown = {name for path in PATHS for name in re.findall(r"figures/([\w.]+\.png)", path.read_text())}
    assert shown == {path.name for path in (ROOT / "figures").glob("*.png")}
