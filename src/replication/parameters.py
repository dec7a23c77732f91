"""The parameters of a run, from the configuration."""

from dataclasses import dataclass, fields, replace

from replication.paths import MNIST
from replication.ranges import at

AUTOENCODER = "autoencoder"  # the experiment of the poster's claims, which the limits move
LEVERS = "autoencoder-levers"  # the same with every lever searched, of which a figure draws the search
EVERY_SETTING = f"{AUTOENCODER}-every-setting"  # the same with every setting searched, which the answer is about
NEED_IMAGES = ("denoising", "digit", "digits")  # the problems that are made from images
CRITERIA = ("train_loss", "validation_loss")  # columns of the history by which the search chooses settings


def plain(value: object) -> object:
    """The same value written the same way, however the configuration was put together: keys in order."""
    if isinstance(value, dict):
        return {name: plain(value[name]) for name in sorted(value)}
    return [plain(entry) for entry in value] if isinstance(value, list | tuple) else value


@dataclass(frozen=True)
class Parameters:
    """All that a run depends on.

    images: "training_images" and "validation_images", how many are drawn, and "dataset" where it is not MNIST; None for
        a problem made from no images.
    problem, network: sections of the experiment. settings: the optimizer's. schema.yaml has the meaning of every key.
    """

    experiment: str
    optimizer: str
    seed: int
    settings: dict
    iterations: int
    images: dict | None
    problem: dict
    network: dict
    dtype: str
    threads: int
    device: str

    def but(self, **changes) -> "Parameters":
        """The same with other values; those of `settings` and `problem` are merged key by key."""
        for name in {"settings", "problem"} & changes.keys():
            changes[name] = getattr(self, name) | changes[name]
        return replace(self, **changes)


# The parameters of a notebook: those of a run but with all seeds, and where images and runs lie.
OF_NOTEBOOK = {field.name for field in fields(Parameters)} - {"seed"} | {"seeds", "sample_file", "run_folder"}


def counts(config: dict, section: dict) -> dict[str, int]:
    """ "training_images" and "validation_images": the section's own, where it has them, or the common ones."""
    drawn = config["data"] | section.get("data", {})
    return {name: drawn[name] for name in ("training_images", "validation_images")}


def dataset(section: dict) -> str:
    """The data set that a section's images are drawn from."""
    return section.get("data", {}).get("dataset", MNIST)


def drawn(config: dict, section: dict) -> dict:
    """What images a section draws: `counts`, and the data set where it is not MNIST."""
    return counts(config, section) | ({"dataset": dataset(section)} if dataset(section) != MNIST else {})


def images(config: dict, section: dict) -> dict | None:
    """What images the experiment of this section draws; None where its problem is made from none."""
    return drawn(config, section) if section["problem"]["name"] in NEED_IMAGES else None


def samples_of(config: dict, section: dict) -> int:
    """How many training samples the experiment of this section has."""
    made_from = images(config, section)
    return made_from["training_images"] if made_from else section["problem"]["samples"]


def of_run(config: dict, experiment: str, optimizer: str, seed: int, criterion: str | None = None) -> Parameters:
    """The parameters of one run of an experiment.

    criterion: the one whose choice of settings is taken, in place of the experiment's own. A setting that differs from
    what the latter chose was written by hand and stays.
    """
    section = config["experiments"][experiment]
    settings = section["optimizers"][optimizer]
    if criterion:
        chosen = choices(config, experiment, optimizer)
        usual, other = (chosen.get(name, {}) for name in (section["tuning"]["criterion"], criterion))
        settings = settings | {name: value for name, value in other.items() if settings.get(name) == usual.get(name)}
    return of_section(config, section, experiment, optimizer, seed, settings)


def of_target(config: dict, target: str | None) -> list[str]:
    """The experiments that a target of snakemake computes; None is the default target."""
    return [name for name, section in config["experiments"].items() if section.get("target") == target]


def choices(config: dict, experiment: str, optimizer: str) -> dict[str, dict]:
    """What the search chose for an optimizer, by criterion; nothing where it was not searched."""
    return config.get("tuned", {}).get(experiment, {}).get(optimizer, {})


def by_hand(config: dict, experiment: str, optimizer: str) -> set[str]:
    """The settings with ranges that the configuration gives a value of its own: they are not searched."""
    section = config["experiments"][experiment]
    settings, ranges = section["optimizers"][optimizer], section["tuning"]["ranges"].get(optimizer, {})
    chosen = choices(config, experiment, optimizer).get(section["tuning"]["criterion"], {})
    return {
        name
        for name, scale in ranges.items()
        if settings.get(name) is not None and settings[name] not in (chosen.get(name), at(scale, 0.5))
    }


def of_section(config: dict, section: dict, experiment: str, optimizer: str, seed: int, settings: dict) -> Parameters:
    """The parameters of a run with the values of `section`, and with these `settings` of the optimizer."""
    return Parameters(
        experiment=experiment,
        optimizer=optimizer,
        seed=int(seed),
        settings=settings,
        iterations=section["iterations"],
        images=images(config, section),
        problem=section["problem"],
        network=section["network"],
        dtype=section["dtype"],
        threads=config["threads"],
        device=config["device"],
    )
