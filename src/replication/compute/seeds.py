"""The runs that claims are judged by: many seeds of one optimizer in one process, and what is measured of each."""

import math
from dataclasses import dataclass, field

from nonsmooth.training import mean_squared_error
from replication.compute.maps import mean_image
from replication.data.mnist import Sample
from replication.parameters import Parameters
from replication.quality import quality
from replication.run import train_blind


@dataclass(frozen=True)
class SeedRun:
    """One seed. A diverged run has losses as long as they are finite, and no quality.

    iteration, train_loss: the training loss at the recorded iterations, the first and the last among them.
    final: the quality (quality.quality) after the last iteration. stopped: without SSIM, that after the recorded
    iteration with the smallest validation loss, `stopped_at`. gradient_evaluations: of the whole run, where the
    optimizer counts them. mean_loss: the training loss of the targets' mean, None
    in records that do not have it.
    """

    seed: int
    status: str
    iteration: list[int] = field(default_factory=list)
    train_loss: list[float] = field(default_factory=list)
    final: dict[str, float] | None = None
    stopped_at: int | None = None
    stopped: dict[str, float] | None = None
    mean_loss: float | None = None
    gradient_evaluations: float | None = None

    @property
    def diverged(self) -> bool:
        return self.status == "diverged"


def train_seeds(
    parameters: Parameters,
    samples: dict[int, Sample | None],
    every: int | None = 1,
    with_ssim: bool = True,
    rows: list[int] | None = None,
) -> list[SeedRun]:
    """Train with every seed, evaluated after each `every` iterations and after the last.

    `samples`: the images by seed, None for problems without. rows: in place of `every`, the iterations whose training
    losses are kept.
    """
    every = every or math.gcd(*rows)
    runs = []
    for seed, sample in samples.items():
        run, training = train_blind(parameters.but(seed=seed), sample, keep_best=True, every=every)
        history = training.history
        finite = [loss for loss in history["train_loss"] if math.isfinite(loss)]
        known = {"seed": seed, "status": training.status, "iteration": history["iteration"][: len(finite)]}
        known["train_loss"] = finite
        known["mean_loss"] = mean_squared_error(mean_image(run.problem), run.problem.training)
        if training.status == "finished":
            known["gradient_evaluations"] = history.get("gradient_evaluations", [None])[-1]
            known["final"] = quality(run.network, run.problem, with_ssim)
            losses = history["validation_loss"]
            known["stopped_at"] = history["iteration"][losses.index(min(losses))]
            run.network.load_state_dict(training.best)
            known["stopped"] = quality(run.network, run.problem, with_ssim=False)
        if rows:
            losses = dict(zip(known["iteration"], finite, strict=True))
            known["iteration"] = [row for row in rows if row in losses]
            known["train_loss"] = [losses[row] for row in known["iteration"]]
        runs.append(SeedRun(**known))
        end = f"{training.status}, training loss {finite[-1]:.4g}"
        end += f": {training.reason}" if training.reason else ""
        print(f"[{parameters.experiment}/{parameters.optimizer}/seed-{seed}] {end}", flush=True)
    return runs


def finished(runs: list[SeedRun]) -> list[SeedRun]:
    return [run for run in runs if not run.diverged]
