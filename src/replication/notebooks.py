"""Running a notebook with parameters."""

import ast
import logging
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from replication.dependencies import code_of
from replication.errors import NotebookError
from replication.files import check_writable, replacing


def declared_parameters(notebook: str | Path) -> dict:
    """Names and default values in the notebook's one cell tagged "parameters".

    Raises NotebookError unless there is exactly one such cell, made of assignments of literals.
    """
    notebook = Path(notebook)
    cells = code_of(notebook, "parameters")
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
    what it wrote; and for a parameter that the notebook does not declare. Raises OSError where nothing can be written,
    before a cell has run.
    """
    import papermill  # imported late, as the next two: it takes a second
    from nbclient.exceptions import DeadKernelError

    from replication.kernels import manager_class

    unknown = parameters.keys() - declared_parameters(notebook).keys()
    if unknown:
        raise NotebookError(f"{notebook} declares no parameter {', '.join(sorted(unknown))}")
    output, working_copy = Path(output), Path(working_copy)
    for path in (output, working_copy):
        check_writable(path.parent)
    logger = logging.getLogger("papermill")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.handlers = [_ShowProgress()]
    os.environ.pop("MPLBACKEND", None)  # with Agg forced, a kernel drops its inline figures without a word

    def run(again: bool) -> None:
        folder = private_folder()
        log = folder / "log"
        try:
            papermill.execute_notebook(
                str(notebook),
                str(working_copy),
                parameters=parameters,
                kernel_name="python3",
                kernel_manager_class=manager_class(folder),
                start_timeout=600,  # seconds; a kernel that has died is noticed at once
                iopub_timeout=600,  # nbclient's 4 seconds are too few on a busy machine
                progress_bar=False,
                log_output=True,
                shutdown_kernel="immediate",  # every cell has run: no need to wait for an orderly end
                extra_arguments=["--IPKernelApp.log_level=ERROR", f"--IPKernelApp.ipython_dir={folder}"],
            )
        except Exception as error:
            died = isinstance(error, DeadKernelError)
            # jupyter_client tells of a kernel that did not start by a plain RuntimeError.
            if again and isinstance(error, RuntimeError) and not died:
                return run(again=False)
            why = "It was killed or has crashed. Is there enough memory?\n" if died else ""
            message = f"{error}\n{why}{log.read_text() if log.exists() else ''}"
            message = re.sub(r"\x1b\[[0-9;]*m", "", message).strip()
            raise NotebookError(f"{notebook} failed; as far as it came: {working_copy}\n{message}") from None
        else:
            print(log.read_text(), end="", file=sys.stderr)  # of the kernel's process, not of the notebook: rarely any
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    run(again=True)
    with replacing(output) as path:
        shutil.move(working_copy, path)


def private_folder() -> Path:
    """A new folder for a kernel's sockets.

    The path of a socket must not exceed 103 bytes on macOS and 107 on Linux, so a long TMPDIR is not used.
    """
    usual = tempfile.gettempdir()
    return Path(tempfile.mkdtemp(prefix="nonsmooth-", dir=usual if len(os.fsencode(usual)) <= 52 else "/tmp"))
