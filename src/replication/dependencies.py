"""The library modules that a notebook or a module depends on, found from the imports."""

import ast
import json
from functools import cache
from pathlib import Path

from replication.paths import PACKAGES, SOURCE

# The table of the methods: a training depends on its own method's constructor, and on no line of the table.
TABLE = SOURCE / "replication" / "methods.py"
DRAWING = SOURCE / "replication" / "report"


def library(*names: str) -> list[Path]:
    """The modules that are named and all that they import but for the table of methods, in order.

    names: paths below the package replication ("report/claims.py"), or modules ("nonsmooth.badmm").
    """
    named = {
        SOURCE / "replication" / name if name.endswith(".py") else SOURCE.joinpath(*name.split(".")).with_suffix(".py")
        for name in names
    }
    return sorted({*named, *(module for path in named for module in dependencies(path))} - {TABLE})


def of_training(source: str | Path, module: str) -> list[Path]:
    """The library modules that decide the weights of a training: what `source` imports, and the module of its method.

    module: the method's. Left out are the table of the methods, since no method depends on another, and how anything is
    drawn.
    """
    paths = {*dependencies(source), *library(module)}
    return sorted(path for path in paths if path != TABLE and DRAWING not in path.parents)


def dependencies(source: str | Path) -> list[Path]:
    """The library modules that a notebook or module imports, directly or through others, in order of their paths.

    The table of methods is not looked into: what it imports, it imports for all of them.
    """
    modules: set[Path] = set()
    waiting = [Path(source)]
    while waiting:
        for module in _modules_of(waiting.pop()):
            if module not in modules:
                modules.add(module)
                waiting += [module] if module != TABLE else []
    return sorted(modules)


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
