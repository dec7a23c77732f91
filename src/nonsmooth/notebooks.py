"""Running a notebook with parameters, and finding the library modules that it depends on."""

import ast
import json
import logging
import os
import re
import shutil
import sys
from functools import cache
from pathlib import Path

from nonsmooth.errors import NotebookError

PACKAGE = Path(__file__).parent
SHORTCUTS = PACKAGE / "__init__.py"  # re-exports by name; what a module takes from it is followed to its home


def _cells(notebook: Path, tag: str | None = None) -> list[str]:
    cells = json.loads(notebook.read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    return ["".join(cell["source"]) for cell in code if tag is None or tag in cell["metadata"].get("tags", [])]


def declared_parameters(notebook: str | Path) -> dict:
    """Names and default values in the notebook's one cell tagged "parameters".

    Raises NotebookError unless there is exactly one such cell, made of assignments of literals.
    """
    notebook = Path(notebook)
    cells = _cells(notebook, "parameters")
    if len(cells) != 1:
        raise NotebookError(f"{notebook} must have exactly one cell tagged 'parameters', not {len(cells)}")
    try:
        return {node.targets[0].id: ast.literal_eval(node.value) for node in ast.parse(cells[0]).body}
    except (AttributeError, ValueError) as error:
        raise NotebookError(f"{notebook}: the cell of parameters must assign literals to names: {error}") from None


class _ShowProgress(logging.Handler):
    """Passes on, of what a notebook prints, the lines that tell its progress."""

    def emit(self, record: logging.LogRecord) -> None:
        for line in record.getMessage().splitlines():
            if line.startswith("["):
                print(line, file=sys.stderr, flush=True)


def execute(notebook: str | Path, output: str | Path, parameters: dict, working_copy: str | Path) -> None:
    """Run `notebook` with `parameters` in a kernel of this interpreter and keep the executed notebook at `output`.

    It is executed at `working_copy` and moved to `output` when every cell has run; when one fails it stays there.
    Lines that the notebook prints with a leading "[" are shown as they come. A kernel that does not start is tried
    again once. Raises NotebookError for a cell that fails, with the Python traceback; for a kernel that fails, with
    what it wrote; and for a parameter that the notebook does not declare.
    """
    import papermill  # imported late: it takes half a second
    from nbclient.exceptions import DeadKernelError

    from nonsmooth import kernels

    unknown = parameters.keys() - declared_parameters(notebook).keys()
    if unknown:
        raise NotebookError(f"{notebook} declares no parameter {', '.join(sorted(unknown))}")
    output, working_copy = Path(output), Path(working_copy)
    output.parent.mkdir(parents=True, exist_ok=True)
    working_copy.parent.mkdir(parents=True, exist_ok=True)
    logger = logging.getLogger("papermill")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.handlers = [_ShowProgress()]
    os.environ.pop("MPLBACKEND", None)  # with Agg forced, a kernel drops its inline figures without a word

    def run(again: bool) -> None:
        folder = kernels.private_folder()
        log = folder / "log"
        try:
            papermill.execute_notebook(
                str(notebook),
                str(working_copy),
                parameters=parameters,
                kernel_name="python3",
                kernel_manager_class=kernels.manager_class(folder),
                start_timeout=600,  # seconds; a kernel that has died is noticed at once
                iopub_timeout=600,  # nbclient's 4 seconds are too few on a busy machine
                progress_bar=False,
                log_output=True,
                shutdown_kernel="immediate",  # every cell has run: no need to wait for an orderly end
                extra_arguments=["--IPKernelApp.log_level=ERROR"],
            )
        except Exception as error:
            # jupyter_client tells of a kernel that did not start by a plain RuntimeError.
            if again and isinstance(error, RuntimeError) and not isinstance(error, DeadKernelError):
                return run(again=False)
            message = f"{error}\n{log.read_text() if log.exists() else ''}"
            message = re.sub(r"\x1b\[[0-9;]*m", "", message).strip()
            raise NotebookError(f"{notebook} failed; as far as it came: {working_copy}\n{message}") from None
        else:
            print(log.read_text(), end="", file=sys.stderr)  # of the kernel's process, not of the notebook: rarely any
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    with kernels.slot():  # before anything is chosen: it can take as long as another notebook trains
        run(again=True)
    shutil.move(working_copy, output)


def dependencies(source: str | Path) -> list[Path]:
    """The library modules that a notebook or module imports, directly or through others, in order of their paths."""
    found: set[Path] = set()
    waiting = [Path(source)]
    while waiting:
        for module in _modules_of(waiting.pop()):
            if module not in found:
                found.add(module)
                waiting.append(module)
    return sorted(found)


@cache
def _modules_of(path: Path) -> set[Path]:
    code = "\n".join(_cells(path)) if path.suffix == ".ipynb" else path.read_text()
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    homes = _shortcuts()
    names = {homes.get(name, name) for name in names}
    return {path for name in names if (path := _module_file(name)) is not None and path != SHORTCUTS}


@cache
def _shortcuts() -> dict[str, str]:
    for node in ast.parse(SHORTCUTS.read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "_HOME":
            return {f"nonsmooth.{name}": home for name, home in ast.literal_eval(node.value).items()}
    return {}


def _module_file(name: str) -> Path | None:
    first, *rest = name.split(".")
    if first != "nonsmooth":
        return None
    place = PACKAGE.joinpath(*rest)
    candidates = (place / "__init__.py", place.with_suffix(".py"))
    return next((path for path in candidates if path.exists()), None)
