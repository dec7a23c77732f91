"""One run from the command line, in one process or in several that share the samples."""

import gc
from pathlib import Path

import torch
from torch import distributed

from nonsmooth import config, mnist, networks, optimizers, placement, problems, runs
from nonsmooth.errors import ConfigError
from nonsmooth.training import train


def launch(experiment: str, optimizer: str, seed: int, over: list[str], run_folder: str) -> None:
    """Train as the project's configuration says, with the files `over` on top, and keep the run in `run_folder`.

    Under torchrun every process holds its own rows of the data; the first one writes and speaks. Raises ConfigError
    for what the configuration does not name.
    """
    root = config.find_root()
    settings = config.project(root, *over)
    sections = settings["experiments"]
    for name, value, known in (
        ("experiment", experiment, sections),
        ("optimizer", optimizer, sections.get(experiment, {}).get("optimizers", ())),
    ):
        if value not in known:
            raise ConfigError(f"{name} = {value}: must be one of {', '.join(sorted(known))}")
    asked = config.parameters(settings, experiment, optimizer, seed)
    torch.set_num_threads(asked["threads"])
    place = placement.device(asked["device"])
    with placement.processes(place) as group:
        _train(settings, asked, root, place, group, run_folder)
        gc.collect()  # nothing may hold the group any more: a thread of its would meet the interpreter's end


def _train(
    settings: dict, asked: dict, root: Path, place: torch.device, group: placement.Group, run_folder: str
) -> None:
    experiment, optimizer, seed = (asked[name] for name in ("experiment", "optimizer", "seed"))
    common = {"seed": seed, "dtype": asked["dtype"]}
    data = problems.build(_sample(settings, experiment, seed, root, group), **asked["problem"], **common)
    data = data.at(place, group)
    network = networks.build(data.sizes, **asked["network"], **common).to(place)
    method = optimizers.build(optimizer, network, *data.training, seed=seed, group=group, **asked["settings"])

    def report(line: str) -> None:
        print(f"[{experiment}/{optimizer}/seed-{seed}] {line}", flush=True)

    told = train(network, method, data, asked["iterations"], report, group=group)
    final = runs.summary(network, data, group)
    if placement.is_first(group):
        processes = 1 if group is None else distributed.get_world_size(group)
        runs.save(run_folder, network, told, asked | {"processes": processes, "final": final})


def _sample(settings: dict, experiment: str, seed: int, root: Path, group: placement.Group) -> mnist.Sample | None:
    """The seed's images; where they are fetched first, the first process fetches."""
    if settings["experiments"][experiment]["problem"]["name"] not in config.NEED_IMAGES:
        return None
    data = settings["data"]
    if not placement.is_first(group):
        distributed.barrier(group)
    sample = mnist.draw(
        root / data["root"],
        seed,
        **config.images(settings, settings["experiments"][experiment]),
        sources=data["sources"],
        log=lambda line: None,
    )
    if group is not None and placement.is_first(group):
        distributed.barrier(group)
    return sample
