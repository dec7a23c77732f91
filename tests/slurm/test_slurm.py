"""The smoke pipeline through a real Slurm on this machine, with the bits of the local run."""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from snakemake_calls import ROOT, jobs, output, snakemake

CLUSTER = Path(__file__).parent / "cluster.sh"
MISSING = [program for program in ("slurmctld", "slurmd", "sbatch", "munged") if shutil.which(program) is None]
if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
    MISSING.append("snakemake-executor-plugin-slurm (make slurm)")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
    pytest.mark.skipif(os.geteuid() != 0, reason="starting Slurm's daemons needs root"),
    pytest.mark.skipif(Path("/etc/slurm/slurm.conf").exists(), reason="this machine belongs to a cluster already"),
]


@pytest.fixture
def cluster(tmp_path):
    folder = tmp_path / "cluster"
    started = subprocess.run([CLUSTER, "start", folder], capture_output=True, text=True)
    assert started.returncode == 0, started.stdout + started.stderr
    yield folder
    subprocess.run([CLUSTER, "stop", folder], check=True, capture_output=True)


def results(directory: Path) -> dict[str, bytes]:
    """All that no clock has a part in."""
    paths = [*directory.rglob("history.parquet"), *directory.rglob("weights.safetensors")]
    paths += [directory / "figures" / f"{name}.pdf" for name in ("perceptron_loss", "autoencoder_samples")]
    return {str(path.relative_to(directory)): path.read_bytes() for path in paths}


def test_the_pipeline_through_slurm_has_the_bits_of_the_local_run(cluster, tmp_path):
    one_seed = ["--config", "seeds=[0]"]
    profile = ["--profile", ROOT / "profiles" / "slurm", "--slurm-status-command", "squeue"]
    profile += ["--slurm-init-seconds-before-status-checks", "2", "--seconds-between-status-checks", "2"]
    through_slurm = snakemake(tmp_path / "slurm", *one_seed, *profile)
    assert through_slurm.returncode == 0, output(through_slurm)
    completed = (cluster / "log" / "completed").read_text().splitlines()
    assert len(completed) == sum(count for rule, count in jobs(through_slurm).items() if rule != "all")
    assert all("JobState=COMPLETED" in line for line in completed)
    local = snakemake(tmp_path / "local", *one_seed, "--cores", "2")
    assert local.returncode == 0, output(local)
    found, expected = results(tmp_path / "slurm"), results(tmp_path / "local")
    assert len(expected) == 2 * 14 + 2
    assert found == expected
