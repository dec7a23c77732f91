"""The poster's way, as rules/poster.smk asks for it: MNIST, the images of each seed, and a notebook for each experiment
and optimizer, which trains all seeds.

Functions that take `wildcards` are for Snakemake. What they return is made of dictionaries, lists and plain values,
since Snakemake notices a change of no other.
"""

import os
from dataclasses import asdict

from replication import parameters
from replication.dependencies import of_training
from replication.methods import METHODS
from replication.parameters import NEED_IMAGES, plain
from replication.paths import ResultFiles, drawn_images


class Poster:
    """The trainings in notebooks of a checked configuration: the default target's, and those of other targets.

    root: the project's folder, relative to the working directory.
    """

    def __init__(self, config: dict, root: str):
        self.config, self.root, self.files = config, root, ResultFiles()
        self.experiments: dict[str, dict] = config["experiments"]
        self.data_root = os.path.relpath(os.path.join(root, config["data"]["root"]))

    def of_target(self, target: str | None) -> list[str]:
        """The experiments that a target of snakemake trains; None is the default target."""
        return [name for name, section in self.experiments.items() if section.get("target") == target]

    def optimizers(self, experiment: str) -> list[str]:
        """Those that the experiment's own target trains; `snakemake optimizers` compares all."""
        section = self.experiments[experiment]
        return sorted(section.get("in_target", section["optimizers"]))

    def seeds(self, experiment: str) -> list[int]:
        return self.experiments[experiment].get("seeds", self.config["seeds"])

    def executed(self, *experiments: str) -> list[str]:
        """The executed notebooks of experiments. With each there are the folders of its runs (ResultFiles.run)."""
        return [self.files.notebook(e, name) for e in experiments for name in self.optimizers(e)]

    # Images

    def images(self, experiment: str, seed: object) -> str | None:
        """The file of a seed's images, which "{seed}" may stand for; None for experiments without."""
        section = self.experiments[experiment]
        if section["problem"]["name"] not in NEED_IMAGES:
            return None
        return self.files.sample(drawn_images(experiment if "data" in section else None, seed))

    def samples(self, experiment: str, seeds: list[int]) -> dict[int, str | None]:
        """The files of the seeds' images by seed, None for experiments without."""
        return {int(seed): self.images(experiment, seed) for seed in seeds}

    def image_files(self, experiment: str, seeds: list[int]) -> list[str]:
        return [path for path in self.samples(experiment, seeds).values() if path]

    def images_to_draw(self, wildcards) -> dict:
        """The arguments of mnist.draw for a file of images."""
        experiment, _, seed = wildcards.drawn.rpartition("/")
        section = self.experiments[experiment] if experiment else {}
        return {"seed": int(seed.removeprefix("seed-"))} | parameters.counts(self.config, section)

    # A notebook

    def notebook(self, wildcards) -> str:
        name = self.experiments[wildcards.experiment]["notebook"]
        return os.path.relpath(os.path.join(self.root, "notebooks", f"{name}.ipynb"))

    def modules(self, wildcards) -> list[str]:
        """The library modules that decide the weights."""
        constructor = METHODS[wildcards.optimizer].constructor
        return [os.path.relpath(path) for path in of_training(self.notebook(wildcards), constructor)]

    def images_of_notebook(self, wildcards) -> list[str]:
        return self.image_files(wildcards.experiment, self.seeds(wildcards.experiment))

    def parameters(self, wildcards) -> dict:
        """What the notebook is given: the parameters of a run but with all seeds, and where files lie."""
        experiment, optimizer = wildcards.experiment, wildcards.optimizer
        seeds = self.seeds(experiment)
        run = asdict(parameters.of_run(self.config, experiment, optimizer, seeds[0])) | {"seeds": seeds}
        del run["seed"]
        run["sample_file"] = self.images(experiment, "{seed}")
        run["run_folder"] = self.files.run(experiment, optimizer, "{seed}")
        return plain(run)

    def method(self, wildcards) -> list:
        """What METHODS says of the method that its training depends on."""
        method = METHODS[wildcards.optimizer]
        return plain([method.constructor, method.fixed, method.version])
