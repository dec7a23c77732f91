"""The one list of what is shown: figures, tables, and the blocks of pages, each beside the code that makes it.

A module of this folder has functions NAME_figure and NAME_table, which are given Results, and NAME_block, which is
given tables. Its NEEDS says of each of the first two the target that makes it and the results that it is made of. The
modules are read and not imported: the workflow asks for all of this, and their imports take seconds.
"""

import ast
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

FOLDER = Path(__file__).parent
FIGURE, TABLE, BLOCK = "figure", "table", "block"


@dataclass(frozen=True)
class Shown:
    """One figure, table or block. needs: patterns of names (results.Results). caption: what its function says of it."""

    name: str
    kind: str
    module: str
    target: str | None
    needs: list[str]
    caption: str

    def make(self, *arguments):
        """What the function returns."""
        return getattr(import_module(f"replication.report.{self.module}"), f"{self.name}_{self.kind}")(*arguments)


@cache
def shown(kind: str) -> dict[str, Shown]:
    """Every figure, table or block by name."""
    found = {}
    for path in sorted(FOLDER.glob("*.py")):
        nodes = ast.parse(path.read_text()).body
        needs: dict = {}
        for node in nodes:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == "NEEDS":
                needs = ast.literal_eval(node.value)
        for node in nodes:
            if isinstance(node, ast.FunctionDef) and node.name.endswith(f"_{kind}") and node.name[0] != "_":
                own, name = needs.get(node.name, {}), node.name.removesuffix(f"_{kind}")
                caption = ast.get_docstring(node) or ""
                found[name] = Shown(name, kind, path.stem, own.get("target"), own.get("needs", []), caption)
    return found


def of_target(kind: str, target: str) -> list[str]:
    """The names of the figures or tables of a target."""
    return [name for name, entry in shown(kind).items() if entry.target == target]
