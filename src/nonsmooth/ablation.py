"""From one reading of the algorithm to the other, one assumption at a time: which of them made which difference."""

import json
from dataclasses import dataclass
from pathlib import Path

from nonsmooth.config import READINGS
from nonsmooth.evidence import train_seeds
from nonsmooth.files import replacing
from nonsmooth.mnist import Sample

ALL = "all of them"


@dataclass(frozen=True)
class Variant:
    """A reading with `settings`, its own but for those `taken` from the other reading."""

    reading: str
    taken: str | None
    settings: dict


def variants(settings: dict[str, dict]) -> list[Variant]:
    """Each reading with its own settings, with each of the other's in turn, and with all of them.

    settings: of both READINGS. Those that only one of them has, or that are the same for both, are never taken. The
    two readings with all the same settings differ in the weight step alone.
    """
    found = []
    for mine, other in (READINGS, READINGS[::-1]):
        own, others = settings[mine], settings[other]
        different = [name for name in sorted(own.keys() & others.keys()) if own[name] != others[name]]
        found.append(Variant(mine, None, own))
        found += [Variant(mine, name, own | {name: others[name]}) for name in different]
        if len(different) > 1:
            found.append(Variant(mine, ALL, own | {name: others[name] for name in different}))
    return found


def study(runs: dict[str, dict], samples: dict[int, Sample], output: str | Path) -> None:
    """Train every variant with every seed, and write what came of them (evidence.train_seeds) to `output` (JSON).

    runs: parameters of a run (config.parameters) of both READINGS. samples: the images by seed.
    """
    told = []
    for variant in variants({name: parameters["settings"] for name, parameters in runs.items()}):
        asked = runs[variant.reading] | {"settings": variant.settings}
        found = train_seeds(asked, samples, every=asked["iterations"], ssim=False)
        entry = {"reading": variant.reading, "taken": variant.taken, "settings": variant.settings}
        told.append(entry | {"runs": found["runs"]})
    with replacing(output) as path:
        path.write_text(json.dumps(told) + "\n")
