"""Where the wall time of the default target goes: training, the rest of its notebooks, and everything else."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from replication.files import read_json
from replication.personal import WORKFLOW
from replication.provenance import provenance

CORES = 2


def account(folder: str | Path, wall: float) -> dict:
    """What `wall` seconds of a pipeline on CORES cores went to, from the runs and notebooks in `folder`.

    training: seconds inside training loops, evaluation included. optimizer: of those, inside `step()`. notebooks:
    seconds from the start to the end of each notebook's execution, training included. All are sums over runs, which
    share the cores.
    """
    results = Path(folder) / "results"
    records = [read_json(path) for path in sorted(results.glob("runs/*/*/*/run.json"))]
    notebooks = [read_json(path) for path in sorted(results.glob("notebooks/*/*.ipynb"))]
    training = sum(record["loop_seconds"] for record in records)
    return {
        "wall": wall,
        "cores": CORES,
        "count": len(notebooks),
        "training": training,
        "optimizer": sum(record["optimizer_seconds"] for record in records),
        "notebooks": sum(notebook["metadata"]["papermill"]["duration"] for notebook in notebooks),
    }


def measure(snakefile: str | Path, config: dict) -> dict:
    """Compute the default target anew in a folder of its own with `snakemake --cores 2`, and tell where the time went.

    `config`: the whole configuration. Raises RuntimeError with Snakemake's output should it fail.
    """
    snakefile = Path(snakefile).resolve()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.json").write_text(json.dumps(config))
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile), "--directory", folder]
        command += ["--cores", str(CORES), "--configfile", f"{folder}/config.json"]
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, env=_environment(), check=False)
        wall = time.perf_counter() - start
        if done.returncode:
            raise RuntimeError(f"snakemake ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return account(folder, wall) | provenance()


def _environment() -> dict[str, str]:
    """This process's, without what the job of a workflow finds there and a shell does not have."""
    own = {WORKFLOW, "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS"}
    return {key: value for key, value in os.environ.items() if key not in own}
