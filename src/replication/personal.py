"""Environment variables by which the person or machine that runs the project would change results."""

import os
from collections.abc import MutableMapping

# Names the workflow's process on this machine: its jobs end with it (scripts.job).
WORKFLOW = "REPLICATION_WORKFLOW"
# How Python starts; how matplotlib draws; which instructions, precision and threads the numerical libraries use.
PREFIXES = ("PYTHON", "MPLBACKEND", "MATPLOTLIBRC", "ATEN_", "TORCH_", "MKL_", "DNNL_", "ONEDNN_", "OPENBLAS_", "NPY_")
PREFIXES += ("CUBLAS_", "NVIDIA_TF32_")
# Where Python and its files lie changes no result.
KEPT = ("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONNOUSERSITE", "PYTHONPYCACHEPREFIX")
KEPT += ("PYTHONDONTWRITEBYTECODE",)


def leave_out(environment: MutableMapping[str, str] = os.environ) -> None:
    """Remove these variables, before torch and matplotlib are imported."""
    for name in list(environment):
        if name.startswith(PREFIXES) and name not in KEPT:
            del environment[name]
