"""The perceptron explained: how far from its optimum each optimizer stays, by the condition number of the inputs."""

import math
from pathlib import Path

import numpy as np
import torch

from nonsmooth.problem import Split
from replication import search
from replication.methods import METHODS
from replication.parameters import Parameters
from replication.quality import off_share
from replication.run import build_problem, draw, train_blind

STARTS = 16


def fits(X: np.ndarray, y: np.ndarray) -> bool:
    """Whether some w has max(X w, 0) = y (both losses are zero there), by scipy's linear programming."""
    from scipy import optimize  # imported late: it takes a second

    on = y > 0
    constraints = {"A_eq": X[on], "b_eq": y[on], "A_ub": X[~on], "b_ub": np.zeros((~on).sum())}
    return optimize.linprog(np.zeros(X.shape[1]), bounds=(None, None), **constraints).status == 0


def optimum(split: Split) -> dict[str, float]:
    """The smallest mean D and mean squared error of a ReLU perceptron with bias on `split`, by scipy.

    Both are zero where a perceptron fits the data (`fits`). Else D is convex, and trust-exact goes to its minimum with
    the second derivative that it has almost everywhere; the squared error is not, and its minimum is the lowest that
    L-BFGS-B finds from there and from STARTS random points. All of this is done in coordinates in which the inputs are
    orthonormal, so that their condition plays no part.
    """
    from scipy import optimize  # imported late: it takes a second

    X, y = split.inputs.double().numpy(), split.targets.double().numpy()[:, 0]
    X, count = np.hstack([X, np.ones((len(X), 1))]), len(X)
    basis, values, _ = np.linalg.svd(X, full_matrices=False)
    X = basis[:, values > count * np.finfo(float).eps * values[0]] * count**0.5
    if fits(X, y):
        return {"train_d": 0.0, "train_loss": 0.0}

    def distance(v: np.ndarray) -> tuple[float, np.ndarray]:
        z = X @ v
        s = np.maximum(z, 0)
        return (0.5 * (y - s) ** 2 - (z - s) * (y - s)).mean(), X.T @ (s - y) / count

    def curvature(v: np.ndarray) -> np.ndarray:
        return (X * (X @ v > 0)[:, None]).T @ X / count

    def squared(v: np.ndarray) -> tuple[float, np.ndarray]:
        z = X @ v
        rest = np.maximum(z, 0) - y
        return (rest**2).mean(), 2 * X.T @ (rest * (z > 0)) / count

    start = X.T @ y / count
    options = {"gtol": 1e-13, "maxiter": 2000}
    minimum = optimize.minimize(distance, start, jac=True, hess=curvature, method="trust-exact", options=options)
    size = np.linalg.norm(minimum.x) / len(start) ** 0.5
    starts = [minimum.x, *(size * np.random.default_rng(0).standard_normal((STARTS, len(start))))]
    options = {"maxiter": 20000, "maxfun": 50000, "ftol": 1e-16, "gtol": 1e-12, "maxcor": 30}
    ends = [optimize.minimize(squared, v, jac=True, method="L-BFGS-B", options=options).fun for v in starts]
    return {"train_d": float(minimum.fun), "train_loss": float(min(ends))}


def area(gaps: list[float | None]) -> float:
    """Mean of the gap's decimal logarithm over the iterations; infinite for a run that diverged."""
    return math.inf if None in gaps else float(np.log10(gaps).mean())


def answer(
    runs: dict[str, dict],
    ranges: dict[str, dict],
    condition_numbers: list[float],
    trials: int,
    tuning_seeds: list[int],
    seeds: list[int],
    *,
    root: str | Path,
    published: list[str],
) -> dict:
    """Tune each optimizer at every condition number and run it with every seed: an entry of "table" for each of both.

    Settings are chosen by the area under the log of the gap (below), since several may end at the same minimum, and on
    more than one seed, since the best on one may diverge on the next.

    runs: parameters of a run of each optimizer, on a problem that has a condition number; ranges: of the search, by
    optimizer; the numbers and seeds are the configuration's section "conditioning". root: where MNIST's files are. Of
    each run "gaps": its objective less the optimum, relative to that at the start, by iteration; None once it has
    diverged. "off": `off_share` at the end.
    """
    every = {name: Parameters(**run) for name, run in runs.items()}
    samples = {seed: draw(root, seed, next(iter(every.values()))) for seed in (*tuning_seeds, *seeds)}
    table = []
    for number in condition_numbers:
        at = {name: run.but(problem={"condition_number": number}) for name, run in every.items()}
        any_run = next(iter(at.values()))
        problems = {s: build_problem(any_run.but(seed=s), samples[s]) for s in (*tuning_seeds, *seeds)}
        best = {seed: optimum(problem.training) for seed, problem in problems.items()}
        for name, parameters in at.items():

            def train(
                settings: dict, seed: int, parameters: Parameters = parameters, problems=problems, best=best
            ) -> tuple[list[float | None], float | None]:
                """The gaps and the share of a run."""
                with_settings = parameters.but(seed=seed, settings=settings)
                run, training = train_blind(with_settings, samples[seed], problems[seed])
                if training.status == "diverged":
                    return [None], None
                column = METHODS[parameters.optimizer].objective
                values = torch.tensor(training.history[column], dtype=torch.float64) - best[seed][column]
                gaps = (values / values[0]).clamp(min=1e-16).tolist()
                return gaps, off_share(run.network, run.problem.training)

            candidates = [parameters.settings]
            candidates += [candidates[0] | trial for trial in search.trials(ranges[name], trials)]
            areas = [sum(area(train(c, seed)[0]) for seed in tuning_seeds) for c in candidates]
            chosen = candidates[areas.index(min(areas))]
            gaps, off = zip(*(train(chosen, seed) for seed in seeds), strict=True)
            entry = {"condition_number": number, "optimizer": name, "settings": chosen}
            table.append(entry | {"gaps": list(gaps), "off": list(off)})
            print(f"[conditioning {number:g}/{name}] {[run[-1] for run in gaps]}", flush=True)
    return {"table": table}
