"""The kernel of a workflow's notebooks: IPython without the settings of the person, or the machine, that runs it.

Startup files, configuration files and $PYTHONSTARTUP would be part of the results, and no record would name them.
"""

from ipykernel.kernelapp import IPKernelApp


class Kernel(IPKernelApp):
    """Reads no configuration and runs no code but the notebook's."""

    def load_config_file(self, suppress_errors: bool | None = None) -> None:
        pass

    def _run_startup_files(self) -> None:
        pass


if __name__ == "__main__":
    Kernel.launch_instance()
