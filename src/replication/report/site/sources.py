"""The site's pages as Sphinx reads them: the project's own, made fit, and those that only the site has.

They are laid as in the project, so that a link from one to another holds as it is written.
"""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from replication.files import read_json
from replication.methods import METHODS, label
from replication.parameters import AUTOENCODER
from replication.paths import PAGES, PUBLISHED_FIGURES, PUBLISHED_TABLES, slug
from replication.report.claims import claims_block, references_block, trained_block
from replication.report.ladder import ladder_block
from replication.report.optimizers import optimizers_block
from replication.report.rows import Tables, markdown
from replication.verdicts.effects import IMAGES, TRAINING

NOTEBOOKS = "notebooks/executed"  # of the project
# The menu: a caption and its pages, in order. Pages of docs/ that are not named come last.
MENU = {
    "The answer": [
        "index",
        "docs/claims",
        "docs/limits",
        "docs/ladder",
        "docs/field",
        "docs/peers",
        "docs/optimizers",
        "docs/perceptron",
    ],
    "Look closer": ["convergence", "denoised", "searches", "verdicts", "experiments", "notebooks"],
    "The method": ["docs/method", "docs/inside", "docs/assumptions", "docs/glossary"],
    "Run and change": ["docs/running", "docs/adding-a-method", "docs/scaling", "docs/reliability"],
    "Where it comes from": ["provenance", "CHANGELOG"],
}
# By page, what the site has beside it.
CLOSER = {
    "docs/claims": "[Every test, to sort and filter](../verdicts.md#every-test-of-the-claims), "
    "[the images that each method denoises, by iteration](../denoised.md), and [every search](../searches.md)",
    "docs/limits": "[The picture with the numbers behind each cell](../verdicts.md#the-limits), and "
    "[the curves of every setting](../convergence.md)",
}
CODE_OR_COMMENT = re.compile(r"(```.*?```|`[^`\n]*`)|<!--.*?-->", re.DOTALL)
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!https?://|#)([^)#\s]+)(#[^)\s]*)?\)")


def lay(root: Path, folder: Path, config: dict, tables: Tables, log: Callable[[str], None] = print) -> None:
    """Write every page to `folder`, with the figures and tables that they show."""
    for name in (PUBLISHED_TABLES, PUBLISHED_FIGURES):
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("*.pdf", "*.json"))
    for path in [*(path for pattern in PAGES for path in root.glob(pattern)), root / "CHANGELOG.md"]:
        own = path.relative_to(root).with_suffix("")
        text = clean(path, root, log)
        if str(own) == "docs/assumptions":
            text = link_assumptions(text, config, tables)
        if closer := CLOSER.get(str(own)):
            head, _, rest = text.partition("\n")
            text = f"{head}\n\n:::{{admonition}} Look closer\n{closer}\n:::\n{rest}"
        own = Path("index") if str(own) == "README" else own
        _write(folder / f"{own}.md", text)
    for name in ("LICENSE", "CITATION.cff"):
        shutil.copy(root / name, folder)
    for path in sorted((root / NOTEBOOKS).rglob("*.ipynb")):
        _write(folder / path.relative_to(root), show_notebook(path))
    for path in (root / "docs/site").glob("*.md"):
        shutil.copy(path, folder)
    _write(folder / "notebooks.md", notebooks(root))
    for name, section in config["experiments"].items():
        _write(folder / "experiments" / f"{name}.md", experiment(root, name, section, tables))
    _write(folder / "experiments.md", experiments(config))
    with (folder / "index.md").open("a") as index:
        index.write(menu(folder))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def clean(path: Path, root: Path, log: Callable[[str], None] = print) -> str:
    """A page of the project without its comments. A link to a file that is not there becomes its words."""

    def keep(match: re.Match) -> str:
        words, target, _ = match.groups()
        if target == "README.md" or (path.parent / target).resolve() == (root / "README.md").resolve():
            return match[0].replace("README.md", "index.md")
        if (path.parent / target).exists():
            return match[0]
        log(f"{path.relative_to(root)} links to {target}, which is not there")
        return words

    return LINK.sub(keep, CODE_OR_COMMENT.sub(lambda match: match[1] or "", path.read_text()))


def menu(folder: Path) -> str:
    """The pages of the menu that are in `folder`, for the first page."""
    named = {page for entries in MENU.values() for page in entries}
    more = [f"docs/{path.stem}" for path in sorted((folder / "docs").glob("*.md")) if f"docs/{path.stem}" not in named]
    text = ""
    for caption, entries in (MENU | {"More": more}).items():
        lines = [
            ("Overview <self>" if page == "index" else page) for page in entries if (folder / f"{page}.md").exists()
        ]
        if lines:
            text += _toctree(lines, f":caption: {caption}", ":hidden:")
    return text


def _toctree(entries: list[str], *options: str) -> str:
    return "\n".join(["", "```{toctree}", ":maxdepth: 1", *options, "", *entries, "```", ""])


# Assumptions


def link_assumptions(text: str, config: dict, tables: Tables) -> str:
    """The page with a last column in its table of keys: what moving each does. Names of experiments become links."""
    moved = moved_by(config, tables)

    def extend(line: str) -> str:
        cells = line.strip("|").split("|")
        if not line.startswith("| ") or len(cells) != 3:
            return line
        keys = re.findall(r"`(\w+)", cells[2])
        links = list(dict.fromkeys(link for key in keys for link in moved.get(key, ())))
        links += [_experiment(name) for name in re.findall(r"`([\w-]+)`", cells[1]) if name in config["experiments"]]
        last = {"open": "what moving it does", "---": "---"}.get(cells[0].strip(), "<br>".join(links) or "-")
        return f"{line} {last} |"

    return "\n".join(map(extend, text.split("\n")))


def moved_by(config: dict, tables: Tables) -> dict[str, list[str]]:
    """By key of the configuration, links to the settings of the limits that move it and have a verdict."""
    judged = {name.split("/")[0] for name in tables["limits"]}
    moved: dict[str, list[str]] = {}
    for setting in config["limits"]["settings"]:
        name = slug(f"{setting['group']} {setting['name']}")
        if name in judged:
            link = (
                f'<a href="../verdicts.html#{name}">{setting["group"]}: {setting["name"]}</a>'  # the page makes the row
            )
            for key in _leaves(setting["over"]):
                moved.setdefault(key, []).append(link)
    return moved


def _leaves(values: dict) -> list[str]:
    found = [_leaves(value) if isinstance(value, dict) else [key] for key, value in values.items()]
    return list(dict.fromkeys(key for keys in found for key in keys))


def _experiment(name: str) -> str:
    return f"[`{name}`](../experiments/{name}.md)"


# Experiments


def experiments(config: dict) -> str:
    rows = []
    for name, section in config["experiments"].items():
        target = section.get("target")
        command = f"`snakemake {target}`" if target else "`snakemake`"
        rows.append([f"[{name}](experiments/{name}.md)", section["problem"]["name"], command])
    table = markdown(["experiment", "problem", "computed by"], rows)
    names = [f"experiments/{name}" for name in config["experiments"]]
    return f"# The experiments\n\nEach has a page with its settings, its numbers and its notebooks.\n\n{table}\n" + (
        _toctree(names, ":hidden:")
    )


def experiment(root: Path, name: str, section: dict, tables: Tables) -> str:
    """The page of one experiment: what is solved, by what, and every published number of it."""
    values = [*section["problem"].items(), *section["network"].items()]
    values += [(key, section[key]) for key in ("iterations", "dtype", "seeds", "data") if key in section]
    facts = markdown(["setting", "value"], [[f"`{key}`", f"`{json.dumps(value)}`"] for key, value in values])
    optimizers = [
        [label(optimizer), ", ".join(f"`{k}` {v}" for k, v in settings.items() if v is not None) or "-"]
        for optimizer, settings in section["optimizers"].items()
    ]
    text = f"# {name}\n\n## What is solved\n\n{facts}\n\n## The optimizers and their settings\n\n"
    text += f"{markdown(['optimizer', 'settings'], optimizers)}\n"
    text += f'\n## Convergence\n\n<div data-curves="run/{name}"></div>\n'
    if name == AUTOENCODER:
        text += "\n[The images that each method denoises, by iteration](../denoised.md)\n"
    for title, make in NUMBERS.items():
        try:
            text += f"\n## {title}\n\n{make(tables, name)}\n"
        except (KeyError, StopIteration):  # no row of this experiment is published
            continue
    executed = sorted((root / NOTEBOOKS / name).glob("*.ipynb"), key=lambda path: list(METHODS).index(path.stem))
    if executed:
        lines = [f"- [{label(path.stem)}](../{path.relative_to(root)})" for path in executed]
        text += "\n## Its notebooks, executed\n\n" + "\n".join(lines) + "\n"
    return text


def _rows_or_nothing(make: Callable[..., str]) -> Callable[..., str]:
    """`make`, with KeyError for a table that has no row."""

    def made(tables: Tables, name: str) -> str:
        table = make(tables, name)
        if table.count("\n") < 2:
            raise KeyError(name)
        return table

    return made


NUMBERS: dict[str, Callable[..., str]] = {
    "Claims: speed": lambda tables, name: claims_block(tables, name, *TRAINING),
    "Claims: images": lambda tables, name: claims_block(tables, name, *IMAGES),
    "What each comes to": _rows_or_nothing(references_block),
    "With how many seeds it trains": _rows_or_nothing(trained_block),
    "The ladder": _rows_or_nothing(ladder_block),
    "Today's optimizers": _rows_or_nothing(optimizers_block),
}


# Notebooks


def notebooks(root: Path) -> str:
    """The list of the executed notebooks, by experiment."""
    text = "# The notebooks\n\nEach is shown as the pipeline executed it. `make lab` opens them to change.\n"
    folder = root / NOTEBOOKS
    for experiment in sorted(path.name for path in folder.iterdir() if path.is_dir()):
        names = [path.stem for path in (folder / experiment).glob("*.ipynb")]
        names.sort(key=list(METHODS).index)
        entries = [f"{experiment}: {label(name)} <{NOTEBOOKS}/{experiment}/{name}>" for name in names]
        text += f"\n## {experiment}\n" + _toctree(entries)
    return text


def show_notebook(path: Path) -> str:
    """An executed notebook. The title has the method, and images have the heading above as their alternative text."""
    notebook = read_json(path)
    title = notebook["cells"][0]
    if path.stem in METHODS:
        title["source"] = re.sub(r"^# .*", rf"\g<0>: {label(path.stem)}", "".join(title["source"]))
    heading = ""
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            heading = (re.findall(r"^#+ (.*)$", source, re.MULTILINE) or [heading])[-1]
        elif any("image/png" in output.get("data", {}) for output in cell["outputs"]):
            cell["metadata"]["mystnb"] = {"image": {"alt": f"Figure under the heading: {heading}"}}
    return json.dumps(notebook)
