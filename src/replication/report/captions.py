"""The captions of Snakemake's report: what the function that makes a figure or table says of it."""

import ast
from pathlib import Path

from replication.report.figures import FIGURES

FOLDER = Path(__file__).parent


def of_figure(name: str) -> str:
    """The caption of a figure, in reStructuredText."""
    return _docstring(FOLDER / "figures" / f"{FIGURES[name]}.py", name)


def of_table(function: str) -> str:
    """The caption of the table that a function of tables.py makes."""
    return _docstring(FOLDER / "tables.py", function)


def _docstring(module: Path, function: str) -> str:
    """Read without the module's imports, which take seconds."""
    (node,) = (n for n in ast.parse(module.read_text()).body if isinstance(n, ast.FunctionDef) and n.name == function)
    return ast.get_docstring(node)
