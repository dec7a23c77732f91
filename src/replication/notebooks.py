"""Running a notebook with parameters, in a kernel of this interpreter that takes no settings of a person."""

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
    Lines that the notebook prints with a leading "[" are shown as they come. Raises NotebookError for a cell that
    fails, with the Python traceback; for a kernel that fails, with what it wrote; and for a parameter that the notebook
    does not declare. Raises OSError where nothing can be written, before a cell has run.
    """
    import papermill  # imported late, as the next two: it takes a second
    from nbclient.exceptions import DeadKernelError
    from traitlets.config import Config

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

    with tempfile.TemporaryDirectory(prefix="nonsmooth-", dir=_parent_of_sockets()) as folder:
        log = Path(folder, "log")
        # No TCP port: it would be chosen before the kernel starts, and any program can take it in between.
        sockets = {"transport": "ipc", "connection_file": f"{folder}/kernel.json"}
        try:
            papermill.execute_notebook(
                str(notebook),
                str(working_copy),
                parameters=parameters,
                kernel_name="python3",
                kernel_manager_class=_manager_class(log),
                config=Config({"KernelManager": sockets}),
                start_timeout=600,  # seconds; a kernel that has died is noticed at once
                iopub_timeout=600,  # nbclient's 4 seconds are too few on a busy machine
                progress_bar=False,
                log_output=True,
                shutdown_kernel="immediate",  # every cell has run: no need to wait for an orderly end
                extra_arguments=[
                    "--IPKernelApp.log_level=ERROR",
                    f"--IPKernelApp.ipython_dir={folder}",  # a person's has startup files and settings
                    "--IPKernelApp.exec_PYTHONSTARTUP=False",
                ],
            )
        except Exception as error:
            killed = isinstance(error, DeadKernelError)
            why = "It was killed or has crashed. Is there enough memory?\n" if killed else ""
            message = f"{error}\n{why}{log.read_text() if log.exists() else ''}"
            message = re.sub(r"\x1b\[[0-9;]*m", "", message).strip()
            raise NotebookError(f"{notebook} failed; as far as it came: {working_copy}\n{message}") from None
        print(log.read_text(), end="", file=sys.stderr)  # of the kernel's process, not of the notebook: rarely any
    with replacing(output) as path:
        shutil.move(working_copy, path)


def _manager_class(log: Path) -> type:
    """A class of kernel managers whose kernels are of this interpreter and write their output to `log`.

    A person's kernel "python3" may be another one. A kernel ends by itself when the process that started it is gone.
    """
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class Manager(AsyncKernelManager):
        # -P: modules of the working directory are not imported.
        kernel_spec = KernelSpec(argv=[sys.executable, "-P", "-m", "ipykernel_launcher", "-f", "{connection_file}"])

        async def start_kernel(self, **settings) -> None:
            with open(log, "w") as stream:
                await super().start_kernel(stdout=stream, stderr=stream, **settings)

    return Manager


def _parent_of_sockets() -> str:
    """The folder of temporary files, or /tmp where that is long: a socket's path is at most 103 bytes on macOS."""
    usual = tempfile.gettempdir()
    return usual if len(os.fsencode(usual)) <= 52 else "/tmp"
