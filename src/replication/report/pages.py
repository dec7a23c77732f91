"""The pages for readers, with every number from a table: marks inside sentences, and whole tables.

A page is Markdown. A mark is a comment, which no reader sees, after a number: `0.39<!--a-->`. The page ends with one
line for each mark, which has the number as it stands above and where it comes from:

    <!-- numbers
    a: 0.39 = claims autoencoder/adam/iterations/badmm {effect:.2f}
    -->

is the row "autoencoder/adam/iterations/badmm" of claims.csv, put into a format of Python's. A format without braces is
a name of FORMATS. Between `<!-- table NAME ARGUMENTS -->` and `<!-- end -->` stands what a block of that name makes
(registry.py). `fill` writes both anew.
"""

import re
import shutil
from pathlib import Path

from replication.errors import DataError
from replication.files import replacing
from replication.paths import PAGES, PUBLISHED_TABLES
from replication.report.registry import BLOCK, shown
from replication.report.rows import Tables, read

MARK = re.compile(r"<!--(\w+)-->")
REFERENCE = re.compile(r"(\w+): (.*?) = ((\w+) (\S+) (.+))")
TABLE = re.compile(r"(<!-- table (\w+)([^\n>]*) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
FORMATS = {
    "ratio": "{effect:.2g} ({low:.2g} to {high:.2g})",
    "decibels": "{effect:+.2f} dB ({low:+.2f} to {high:+.2f})",
    "word": "{outcome}: {effect:.3g} ({low:.3g} to {high:.3g})",
    "word_decibels": "{outcome}: {effect:+.2f} dB ({low:+.2f} to {high:+.2f})",
}


def fill(text: str, tables: Tables) -> str:
    """`text` with the numbers and tables that `tables` have.

    Raises DataError for a reference to what is not there, for one that no mark needs, for a mark without a reference,
    and for a mark after another number than its reference's.
    """
    body, opening, lines = text.partition("<!-- numbers\n")
    marks, references = [], []
    for line in lines.removesuffix("-->\n").splitlines():
        match = REFERENCE.fullmatch(line)
        if not match:
            raise DataError(f"the reference {line!r} is not of the form MARK: NUMBER = TABLE ROW FORMAT")
        mark, number, source, name, row, form = match.groups()
        try:
            value = FORMATS.get(form, form).format_map(tables[name][row])
        except (KeyError, ValueError, TypeError) as error:
            raise DataError(f"the reference {source!r} leads nowhere: {error!r}") from None
        marks.append(mark)
        references.append(f"{mark}: {value} = {source}\n")
        places = body.count(f"<!--{mark}-->")
        marked = r"(?<![\w.])" + r"\s+".join(map(re.escape, number.split())) + f"<!--{mark}-->"
        body, replaced = re.subn(marked, lambda _, new=f"{value}<!--{mark}-->": new, body)
        if replaced < places:
            raise DataError(f"the mark <!--{mark}--> does not stand after {number!r}, which its reference has")
    if sorted(marks) != sorted(set(MARK.findall(body))):
        raise DataError(f"marks {sorted(set(MARK.findall(body)))} and references {sorted(marks)} are not the same")

    def build(match: re.Match) -> str:
        head, name, arguments, _, end = match.groups()
        if name not in shown(BLOCK):
            raise DataError(f"there is no table {name!r}, only {', '.join(sorted(shown(BLOCK)))}")
        try:
            return head + shown(BLOCK)[name].make(tables, *arguments.split()) + "\n" + end
        except KeyError as error:
            raise DataError(f"the table {name}{arguments} asks for a row that is not there: {error}") from None

    return TABLE.sub(build, body) + (f"{opening}{''.join(references)}-->\n" if opening else "")


def paths(root: str | Path) -> list[Path]:
    """The pages of the project at `root`."""
    return [path for pattern in PAGES for path in sorted(Path(root).glob(pattern))]


def publish(results: str | Path, root: str | Path) -> None:
    """Take the tables that the pipeline wrote to `results` over into the project at `root`, and fill its pages anew.

    Nothing is written where a page refers to what no table has, or where there are no tables or no pages (DataError).
    """
    root = Path(root)
    new = sorted(Path(results, "tables").glob("*.csv"))
    if not new:
        raise DataError(f"{Path(results, 'tables')} has no tables: compute results first")
    tables = read(root / PUBLISHED_TABLES) | read(Path(results) / "tables")
    pages = {path: fill(path.read_text(), tables) for path in paths(root)}
    if not pages:
        raise DataError(f"{root} has no pages, {' and '.join(PAGES)}: it is not the project's folder")
    for path in new:
        with replacing(root / PUBLISHED_TABLES / path.name) as temporary:
            shutil.copyfile(path, temporary)
    for path, text in pages.items():
        with replacing(path) as temporary:
            temporary.write_text(text)
