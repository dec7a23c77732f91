"""From one weight step of BADMM to the other, one setting at a time: which of them made which difference."""

from dataclasses import asdict, dataclass

from replication.data.mnist import Sample
from replication.methods import POSTER, of_role
from replication.parameters import Parameters
from replication.studies.seeds import train_seeds

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


def study(runs: dict[str, Parameters], samples: dict[int, Sample]) -> list[dict]:
    """Train every variant with every seed: its fields, and its "runs" (SeedRun).

    runs: parameters of a run of both of PAIR. samples: the images by seed.
    """
    table = []
    for variant in variants({name: parameters.settings for name, parameters in runs.items()}):
        parameters = runs[variant.method].but(settings=variant.settings)
        seeds = train_seeds(parameters, samples, every=parameters.iterations, with_ssim=False)
        table.append(asdict(variant) | {"runs": [asdict(run) for run in seeds]})
    return table
