"""The library modules that a notebook or a module depends on, found from the imports."""

import ast
import json
from collections.abc import Set
from functools import cache
from pathlib import Path

from replication.paths import PACKAGES, SOURCE


def library(*names: str) -> list[Path]:
    """The modules called `names` (paths below the package replication) and all that they import, in order."""
    named = [SOURCE / "replication" / name for name in names]
    return sorted({*named, *(module for path in named for module in dependencies(path))})


def of_training(source: str | Path, constructor: str) -> list[Path]:
    """The library modules that decide the weights of a training: what `source` imports, and the module of its method.

    constructor: the method's, "package.module:name". Left out are the list of the methods, since no method depends on
    another, and how anything is drawn.
    """
    own = _module_file(constructor.partition(":")[0])
    left_out = {SOURCE / "replication" / "methods.py", *(SOURCE / "replication" / "report").rglob("*.py")}
    return sorted({own, *_reached([Path(source), own], left_out)})


def dependencies(source: str | Path) -> list[Path]:
    """The library modules that a notebook or module imports, directly or through others, in order of their paths."""
    return sorted(_reached([Path(source)]))


def _reached(waiting: list[Path], left_out: Set[Path] = frozenset()) -> set[Path]:
    """The modules that those waiting import, directly or through others, by no way through those that are left out."""
    modules: set[Path] = set()
    while waiting:
        new = _modules_of(waiting.pop()) - modules - left_out
        modules |= new
        waiting += new
    return modules


def code_of(notebook: Path, tag: str | None = None) -> list[str]:
    """The code cells of a notebook; with a tag, those that have it."""
    cells = json.loads(notebook.read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    return ["".join(cell["source"]) for cell in code if tag is None or tag in cell["metadata"].get("tags", [])]


@cache
def _modules_of(path: Path) -> set[Path]:
    code = "\n".join(code_of(path)) if path.suffix == ".ipynb" else path.read_text()
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and ":" in node.value:
            names.add(node.value.partition(":")[0])  # "package.module:name", as methods.py names constructors
    shortcuts = _shortcuts()
    names = {shortcuts.get(name, name) for name in names}
    shortcut_file = SOURCE / "nonsmooth" / "__init__.py"
    return {path for name in names if (path := _module_file(name)) is not None and path != shortcut_file}


@cache
def _shortcuts() -> dict[str, str]:
    """The names that `nonsmooth` exports, with their homes: what a module takes from it is followed there."""
    for node in ast.parse((SOURCE / "nonsmooth" / "__init__.py").read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "_HOME":
            return {f"nonsmooth.{name}": home for name, home in ast.literal_eval(node.value).items()}
    return {}


def _module_file(name: str) -> Path | None:
    if name.split(".")[0] not in PACKAGES:
        return None
    path = SOURCE.joinpath(*name.split("."))
    candidates = (path / "__init__.py", path.with_suffix(".py"))
    return next((candidate for candidate in candidates if candidate.exists()), None)
