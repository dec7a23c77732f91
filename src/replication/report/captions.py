"""The captions of Snakemake's report: what the function that makes a figure or table says of it."""

import ast
from pathlib import Path

from replication.report.figures import FIGURES

FOLDER = Path(__file__).parent


def of_figure(name: str) -> str:
    """The caption of a figure, in reStructuredText."""
    return _docstring(name, FOLDER / "figures" / f"{FIGURES[name]}.py")


def of_table(function: str) -> str:
    """The caption of the table that a function makes."""
    return _docstring(function, FOLDER / "tables.py", FOLDER / "verdict_tables.py")


def _docstring(function: str, *modules: Path) -> str:
    """Read without the modules' imports, which take seconds."""
    nodes = [node for module in modules for node in ast.parse(module.read_text()).body]
    (node,) = (node for node in nodes if isinstance(node, ast.FunctionDef) and node.name == function)
    return ast.get_docstring(node)
