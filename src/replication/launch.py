"""One run from the command line, in one process or in several that share the samples."""

import gc
import os
from contextlib import ExitStack
from pathlib import Path

from torch import distributed

from nonsmooth import processes
from nonsmooth.training import Training, train
from replication import config, parameters
from replication.data import mnist
from replication.errors import ConfigError, nearest
from replication.files import claimed
from replication.parameters import Parameters
from replication.paths import RUN_FILES, check_library, find_root
from replication.quality import summary
from replication.run import EVALUATED, assemble, check_finished, save
from replication.terminal import stopping


def launch(experiment: str, optimizer: str, seed: int, over: list[str], run_folder: str) -> None:
    """Train as the project's configuration says, with the files `over` on top, and keep the run in `run_folder`.

    Under torchrun every process holds its own rows of the data; the first one writes and speaks. Raises ConfigError
    for what the configuration does not name and in another clone than the library's, and OSError where the run cannot
    be written or there is one already.
    """
    root = find_root()
    check_library(root)
    whole = config.project(root, *over)
    sections = whole["experiments"]
    for name, value, known in (
        ("experiment", experiment, sections),
        ("optimizer", optimizer, sections.get(experiment, {}).get("optimizers", ())),
    ):
        if value not in known:
            raise ConfigError(f"{name} = {value}: must be one of {', '.join(sorted(known))}{nearest(value, known)}")
    if not 0 <= seed <= config.LARGEST:
        raise ConfigError(f"seed = {seed}: must be from 0 to {config.LARGEST}")
    run = parameters.of_run(whole, experiment, optimizer, seed)
    if "WORLD_SIZE" in os.environ and not distributed.is_torchelastic_launched():
        raise ConfigError(
            f"WORLD_SIZE = {os.environ['WORLD_SIZE']} is set, and torchrun did not start this process: start it by "
            "torchrun, or unset WORLD_SIZE"
        )
    with ExitStack() as stack:
        if not distributed.is_torchelastic_launched() or os.environ["RANK"] == "0":  # the one that writes
            stack.enter_context(claimed(run_folder, *RUN_FILES))
        group = stack.enter_context(processes.processes(processes.device(run.device)))
        training = _train(run, root / whole["data"]["root"], whole["data"]["sources"], group, run_folder)
        gc.collect()  # nothing may hold the group any more: a thread of its would meet the interpreter's end
    check_finished(training, run_folder)


def _train(run: Parameters, root: Path, sources: list[str], group: processes.Group, run_folder: str) -> Training:
    name = f"{run.experiment}/{run.optimizer}/seed-{run.seed}"
    made = assemble(run, _sample(run, root, sources, group), group)

    def report(line: str) -> None:
        print(f"[{name}] {line}", flush=True)

    with ExitStack() as stack:
        callback = stack.enter_context(stopping()) if group is None else None  # several would stop at different rows
        training = train(
            made.network,
            made.optimizer,
            made.problem,
            run.iterations,
            report,
            group=group,
            callback=callback,
            **EVALUATED,
        )
        final = summary(made.network, made.problem, group)
        if processes.is_first(group):
            count = 1 if group is None else distributed.get_world_size(group)
            save(run_folder, run, made.network, training, final, count)
    return training


def _sample(run: Parameters, root: Path, sources: list[str], group: processes.Group) -> mnist.Sample | None:
    """The seed's images; where they are fetched first, the first process fetches."""
    if run.images is None:
        return None
    if not processes.is_first(group):
        distributed.barrier(group)
    sample = mnist.draw(root, run.seed, **run.images, sources=sources, log=lambda line: None)
    if group is not None and processes.is_first(group):
        distributed.barrier(group)
    return sample
