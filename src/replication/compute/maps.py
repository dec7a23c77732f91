"""The reference maps, which need no training by gradients: the noisy input, the mean image, the best linear map."""

from pathlib import Path

import torch
from torch import nn

from nonsmooth.problem import Problem, Split
from replication.parameters import Parameters
from replication.quality import quality
from replication.run import build_problem, draw

RIDGES = [10.0**exponent for exponent in range(-2, 6)]
NOISY_INPUT, MEAN_IMAGE, LINEAR_MAP = "noisy input", "mean image", "linear map"
UNPENALISED = f"{LINEAR_MAP}, ridge {RIDGES[0]:g}"


def noisy_input() -> nn.Module:
    return nn.Identity()


def mean_image(problem: Problem) -> nn.Module:
    """The mean of the training targets, whatever the input."""
    inputs, targets = problem.training
    network = nn.Linear(inputs.shape[1], targets.shape[1], dtype=inputs.dtype, device=inputs.device)
    with torch.no_grad():
        network.weight.zero_()
        network.bias.copy_(targets.double().mean(0))
    return network


def reduced_rank_ridge(data: Split, rank: int, ridge: float) -> nn.Sequential:
    """The minimiser of sum |Y - X B - 1 b|^2 + ridge |B|^2 over B of rank at most `rank`, in closed form.

    As two nn.Linear, the second one with bias. The bias is not penalised. With the ridge regression B* and its fit
    extended by the penalty's rows, the best B of lower rank is B* V V^T, with V the leading right singular vectors of
    that fit (Mukherjee and Zhu, Reduced Rank Ridge Regression, 2011). Computed in float64.
    """
    X, Y = (part.double() for part in data)
    x, y = X.mean(0), Y.mean(0)
    X, Y = X - x, Y - y
    gram = X.T @ X
    penalised = gram + ridge * torch.eye(len(gram), dtype=gram.dtype)
    B = torch.linalg.solve(penalised, X.T @ Y)
    _, vectors = torch.linalg.eigh(B.T @ penalised @ B)  # of the extended fit's Gram matrix, ascending
    V = vectors[:, -rank:]
    network = nn.Sequential(nn.Linear(len(B), V.shape[1], bias=False), nn.Linear(V.shape[1], len(V)))
    network = network.to(data.inputs.dtype)
    with torch.no_grad():
        network[0].weight.copy_((B @ V).T)
        network[1].weight.copy_(V)
        network[1].bias.copy_(y - V @ (V.T @ (B.T @ x)))
    return network


def linear_map(problem: Problem, rank: int) -> tuple[nn.Sequential, float]:
    """`reduced_rank_ridge` with that ridge of RIDGES that has the smallest error on validation data, and the ridge."""

    def error(network: nn.Module) -> float:
        with torch.no_grad():
            return (network(problem.validation.inputs) - problem.validation.targets).square().mean().item()

    maps: dict[float, nn.Sequential] = {r: reduced_rank_ridge(problem.training, rank, r) for r in RIDGES}
    best = min(RIDGES, key=lambda ridge: error(maps[ridge]))
    return maps[best], best


def answer(run: dict, seeds: list[int], *, root: str | Path, published: list[str]) -> dict:
    """The quality (quality.quality) of each reference map by seed: "rank" of the linear map, and "maps" by name.

    run: parameters of any seed. root: where MNIST's files are. The rank is the network's smallest layer, the output
    among them. The noisy input is there where it has the targets' size. The linear map has the ridge that validation
    images choose, "ridge", and is there once more with next to none; where there are no validation images only the
    latter is.
    """
    parameters = Parameters(**run)
    by_name: dict[str, list[dict]] = {}
    for seed in seeds:
        problem = build_problem(parameters.but(seed=seed), draw(root, seed, parameters))
        inputs, outputs = problem.sizes
        rank = min(*parameters.network["hidden"], outputs)
        maps = {NOISY_INPUT: (noisy_input(), {})} if inputs == outputs else {}
        maps[MEAN_IMAGE] = mean_image(problem), {}
        if problem.validation is not None:
            linear, ridge = linear_map(problem, rank)
            maps[LINEAR_MAP] = linear, {"ridge": ridge}
        maps[UNPENALISED] = reduced_rank_ridge(problem.training, rank, RIDGES[0]), {}
        for name, (network, known) in maps.items():
            by_name.setdefault(name, []).append({"seed": seed} | quality(network, problem) | known)
    return {"rank": rank, "maps": by_name}
