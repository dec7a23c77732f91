"""Kernels for notebooks: of this interpreter, on Unix sockets, without the settings of the person who runs them.

No kernel needs a TCP port. A port is chosen before the kernel starts, and any program can take it in between. Startup
files, configuration files and $PYTHONSTARTUP would be part of the results, and no record would name them.
"""

import sys
from pathlib import Path

from ipykernel.kernelapp import IPKernelApp
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

COMMAND = [sys.executable, "-P", "-m", __name__]  # -P: modules of the working directory are not imported


def manager_class(folder: Path) -> type:
    """A class of kernel managers for one kernel: its sockets lie in `folder`, its output in the file `log` there."""

    class Manager(AsyncKernelManager):
        kernel_spec = KernelSpec(argv=[*COMMAND, "-f", "{connection_file}"], language="python")

        def __init__(self, **settings):
            super().__init__(transport="ipc", connection_file=str(folder / "kernel.json"), **settings)

        async def start_kernel(self, **settings) -> None:
            with open(folder / "log", "w") as log:
                await super().start_kernel(stdout=log, stderr=log, **settings)

    return Manager


class Kernel(IPKernelApp):
    """Reads no configuration and runs no code but the notebook's."""

    def load_config_file(self, suppress_errors: bool | None = None) -> None:
        pass

    def _run_startup_files(self) -> None:
        pass


if __name__ == "__main__":
    Kernel.launch_instance()
