"""The perceptron explained: how far from its optimum each optimizer stays, by the condition number of the inputs."""

import json
import math
from pathlib import Path

import numpy as np
import torch
from torch import nn

from nonsmooth import problems, tuning
from nonsmooth.files import replacing
from nonsmooth.mnist import Sample
from nonsmooth.problems import Split

# What each optimizer minimises, as a column of the history. BADMM and gradient descent on D minimise a convex loss.
OBJECTIVES = {
    "sgd": "train_loss",
    "adam": "train_loss",
    "gradient-d": "train_d",
    "badmm": "train_d",
    "badmm-ls": "train_d",
}
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
    found = optimize.minimize(distance, start, jac=True, hess=curvature, method="trust-exact", options=options)
    size = np.linalg.norm(found.x) / len(start) ** 0.5
    starts = [found.x, *(size * np.random.default_rng(0).standard_normal((STARTS, len(start))))]
    options = {"maxiter": 20000, "maxfun": 50000, "ftol": 1e-16, "gtol": 1e-12, "maxcor": 30}
    ends = [optimize.minimize(squared, v, jac=True, method="L-BFGS-B", options=options).fun for v in starts]
    return {"train_d": float(found.fun), "train_loss": float(min(ends))}


def _area(gaps: list[float | None]) -> float:
    """Mean of the gap's decimal logarithm over the iterations; infinite for a run that diverged."""
    return math.inf if None in gaps else float(np.log10(gaps).mean())


@torch.no_grad()
def _off(network: nn.Module, split: Split) -> float:
    outputs = network(split.inputs)
    errors = (outputs - split.targets).square()
    stuck = errors[(outputs == 0) & (split.targets > 0)].sum() / errors.sum().clamp(min=torch.finfo(errors.dtype).tiny)
    return stuck.item()


def study(
    runs: dict[str, dict],
    ranges: dict[str, dict],
    search: dict,
    samples: dict[int, Sample | None],
    output: str | Path,
) -> None:
    """Tune each optimizer at every condition number, run it with every seed, and write what came of it.

    Settings are chosen by the area under the log of the gap (below), since several may end at the same minimum, and on
    more than one seed, since the best on one may diverge on the next.

    runs: parameters of a run of each optimizer (config.parameters), on a problem that has a condition number; ranges:
    of the search, by optimizer; search: the configuration's section "conditioning"; samples: the images by seed, None
    for problems without. Of each run "gaps": its objective less the optimum, relative to that at the start, by
    iteration; None once it has diverged. "off": of the squared error at the end the share of samples with a positive
    target on which the unit is off, and the squared error's gradient zero.
    """
    told = []
    for number in search["condition_numbers"]:
        best = {}
        for seed in (*search["tuning_seeds"], *search["seeds"]):
            first = next(iter(runs.values()))
            problem = first["problem"] | {"condition_number": number}
            built = problems.build(samples[seed], **problem, seed=seed, dtype=first["dtype"])
            best[seed] = optimum(built.training)
        for name, parameters in runs.items():
            there = parameters | {"problem": parameters["problem"] | {"condition_number": number}}

            def train(settings: dict, seed: int, there: dict = there, name: str = name, best: dict = best) -> dict:
                asked = there | {"seed": seed, "settings": settings}
                network, problem, training = tuning.run(asked, samples[seed])
                if training.status == "diverged":
                    return {"gaps": [None], "off": None}
                column = OBJECTIVES[name]
                values = torch.tensor(training.history[column], dtype=torch.float64) - best[seed][column]
                gaps = (values / values[0]).clamp(min=1e-16).tolist()
                return {"gaps": gaps, "off": _off(network, problem.training)}

            candidates = [parameters["settings"]]
            candidates += [candidates[0] | trial for trial in tuning.trials(ranges[name], search["trials"])]
            areas = [sum(_area(train(c, seed)["gaps"]) for seed in search["tuning_seeds"]) for c in candidates]
            chosen = candidates[areas.index(min(areas))]
            found = [train(chosen, seed) for seed in search["seeds"]]
            entry = {"condition_number": number, "optimizer": name, "settings": chosen}
            told.append(entry | {key: [run[key] for run in found] for key in ("gaps", "off")})
            print(f"[conditioning {number:g}/{name}] {[run['gaps'][-1] for run in found]}", flush=True)
    with replacing(output) as path:
        path.write_text(json.dumps(told) + "\n")
