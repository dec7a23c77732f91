"""From one weight step of BADMM to the other, one setting at a time: which of them made which difference."""

from dataclasses import asdict, dataclass
from pathlib import Path

from replication.compute.seeds import train_seeds
from replication.methods import POSTER, of_role
from replication.parameters import Parameters
from replication.run import draw

PAIR = of_role(POSTER)  # the two weight steps, which are turned into each other
ALL = "all of them"


@dataclass(frozen=True)
class Variant:
    """A method with `settings`, its own but for those `taken` from the other method."""

    method: str
    taken: str | None
    settings: dict


def variants(settings: dict[str, dict]) -> list[Variant]:
    """Each method with its own settings, with each of the other's in turn, and with all of them.

    settings: of both of PAIR. Those that only one of them has, or that are the same for both, are never taken. The two
    with all the same settings differ in the weight step alone.
    """
    made = []
    for method, other in (PAIR, PAIR[::-1]):
        own, others = settings[method], settings[other]
        different = [name for name in sorted(own.keys() & others.keys()) if own[name] != others[name]]
        made.append(Variant(method, None, own))
        made += [Variant(method, name, own | {name: others[name]}) for name in different]
        if len(different) > 1:
            made.append(Variant(method, ALL, own | {name: others[name] for name in different}))
    return made


def answer(runs: dict[str, dict], seeds: list[int], *, root: str | Path, published: list[str]) -> dict:
    """Train every variant with every seed: "variants", each with its fields and its "runs" (SeedRun).

    runs: parameters of a run of both of PAIR. root: where MNIST's files are.
    """
    parameters = {name: Parameters(**run) for name, run in runs.items()}
    samples = {seed: draw(root, seed, parameters[PAIR[0]]) for seed in seeds}
    table = []
    for variant in variants({name: run.settings for name, run in parameters.items()}):
        run = parameters[variant.method].but(settings=variant.settings)
        trained = train_seeds(run, samples, every=run.iterations, with_ssim=False)
        table.append(asdict(variant) | {"runs": [asdict(one) for one in trained]})
    return {"variants": table}
