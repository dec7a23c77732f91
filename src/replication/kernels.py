"""Kernels for the notebooks of a workflow: forks of its server, or ordinary kernels of the same interpreter.

No kernel needs a TCP port. A port is chosen before the kernel starts, and any program can take it in between. Kernels
listen on Unix sockets in a private folder instead.
"""

import sys
from pathlib import Path

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

from replication import forkserver

KERNEL = ["-P", "-m", "replication.ipython_kernel"]  # -P: modules of the working directory are not imported


def manager_class(folder: Path) -> type:
    """A class of kernel managers for one kernel: its sockets lie in `folder`, its output in the file `log` there."""
    server_address = forkserver.address()
    command = [sys.executable, *KERNEL]
    if server_address:
        command = [sys.executable, "-I", "-S", forkserver.__file__, server_address, *KERNEL]

    class Manager(AsyncKernelManager):
        kernel_spec = KernelSpec(argv=[*command, "-f", "{connection_file}"], language="python")

        def __init__(self, **settings):
            super().__init__(transport="ipc", connection_file=str(folder / "kernel.json"), **settings)

        async def start_kernel(self, **settings) -> None:
            with open(folder / "log", "w") as log:
                await super().start_kernel(stdout=log, stderr=log, **settings)

    return Manager
