"""The poster's way: MNIST, the images of each seed, a notebook for each experiment and optimizer, and its runs."""

from dataclasses import asdict

from replication import parameters
from replication.methods import METHODS
from replication.parameters import NEED_IMAGES, plain
from replication.paths import MNIST, RESULTS, drawn_images


class Poster:
    """The default runs, and those of a target of their own, of a checked configuration."""

    def __init__(self, config: dict):
        self.config = config
        self.experiments: dict[str, dict] = config["experiments"]

    def of_target(self, target: str | None) -> list[str]:
        """The experiments that a target of snakemake trains in notebooks; None is the default target."""
        return parameters.of_target(self.config, target)

    def optimizers(self, experiment: str) -> list[str]:
        """Those that the experiment's own target trains; the others belong to studies."""
        section = self.experiments[experiment]
        return sorted(section.get("in_target", section["optimizers"]))

    def seeds(self, experiment: str) -> list[int]:
        return self.experiments[experiment].get("seeds", self.config["seeds"])

    def notebooks(self, *experiments: str) -> list[str]:
        return [f"{RESULTS}/notebooks/{e}/{name}.ipynb" for e in experiments for name in self.optimizers(e)]

    def images(self, experiment: str) -> str | None:
        """The file of a seed's images, with {seed} in its name; None for experiments without images."""
        section = self.experiments[experiment]
        if section["problem"]["name"] not in NEED_IMAGES:
            return None
        return f"{RESULTS}/data/{drawn_images(experiment if 'data' in section else None, '{seed}')}.safetensors"

    def image_files(self, experiment: str) -> list[str]:
        """The files of all its seeds."""
        pattern = self.images(experiment)
        return [pattern.format(seed=seed) for seed in self.seeds(experiment)] if pattern else []

    def dataset(self, name: str) -> str:
        """The data set of the images called so."""
        return self.drawn(name).get("dataset", MNIST)

    def drawn(self, name: str) -> dict:
        """The arguments of mnist.draw for the images called "seed-N" or "EXPERIMENT/seed-N"."""
        experiment, _, seed = name.rpartition("/")
        section = self.experiments[experiment] if experiment else {}
        return {"seed": int(seed.removeprefix("seed-"))} | parameters.drawn(self.config, section)

    def notebook_parameters(self, experiment: str, optimizer: str) -> dict:
        """What the notebook of an experiment and an optimizer is given."""
        seeds = self.seeds(experiment)
        run = asdict(parameters.of_run(self.config, experiment, optimizer, seeds[0]))
        del run["seed"]
        where = {"sample_file": self.images(experiment)}
        where["run_folder"] = f"{RESULTS}/runs/{experiment}/{optimizer}/seed-{{seed}}"
        return plain(run | {"seeds": seeds} | where)

    def question(self, optimizer: str) -> dict:
        """What the training depends on beside its parameters: a change of it trains anew."""
        method = METHODS[optimizer]
        return plain({"constructor": method.constructor, "fixed": method.fixed, "version": method.version})

    def results(self) -> dict[str, list[str]]:
        """By name (results.Results) what the notebooks and their images leave, each with the file that a rule makes."""
        files: dict[str, list[str]] = {}
        for experiment in self.experiments:
            for name in self.optimizers(experiment):
                for seed in self.seeds(experiment):
                    run = f"runs/{experiment}/{name}/seed-{seed}"
                    files[run] = [f"{RESULTS}/{run}", f"{RESULTS}/notebooks/{experiment}/{name}.ipynb"]
        for seed in self.config["seeds"]:
            files[f"images/seed-{seed}"] = [f"{RESULTS}/data/seed-{seed}.safetensors"]
        return files
