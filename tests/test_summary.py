import pytest
import torch

from nonsmooth import runs, summary
from nonsmooth.training import Training


@pytest.fixture
def results(tmp_path):
    """Adam finishes with both seeds; the first run of BADMM finishes below it, the second diverges at once."""
    for optimizer in ("adam", "badmm"):
        for seed in (0, 1):
            losses = [1.0 if optimizer == "adam" else 0.5] * 20
            diverged = (optimizer, seed) == ("badmm", 1)
            losses = [1.0, 5000.0] if diverged else losses
            history = {"iteration": list(range(len(losses))), "train_loss": losses, "unseen_loss": losses}
            folder = tmp_path / "runs" / "autoencoder" / optimizer / f"seed-{seed}"
            final = {"train_psnr": None if diverged else 0.0, "unseen_psnr": None if diverged else 10.0}
            status = "diverged" if diverged else "finished"
            runs.save(folder, torch.nn.Linear(1, 1), Training(history, status, 1.0, 2.0), {"final": final})
    return runs.Results(str(tmp_path), {"autoencoder": [0, 1]}, {"autoencoder": ["adam", "badmm"]})


def test_a_diverged_run_is_no_win_and_no_part_of_a_median(results):
    (line,) = summary._comparison(results, "badmm", "adam")
    assert "lower at every iteration from 10 on for 1 of 1 seeds; in the end 0.5 (0.5 to 0.5) times" in line
    assert "With 1 more seeds one of the two diverged" in line
    alone = runs.Results(results.folder, {"autoencoder": [1]}, results.optimizers)
    assert "with every seed one of the two diverged" in summary._comparison(alone, "badmm", "adam")[0]


def test_medians_keep_zeros_and_show_where_there_is_nothing():
    assert summary._median([0.0, 0.0, 4.0]) == "0 (0 to 4)"
    assert summary._median([]) == "-"
