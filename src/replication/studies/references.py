"""The reference maps that figures and tables show beside the methods: "maps/EXPERIMENT"."""

from replication import parameters
from replication.parameters import AUTOENCODER
from replication.studies import claims
from replication.studies.study import Job, maps


def jobs(config: dict) -> list[Job]:
    """Of the experiments on images, and of the others in the table of references.

    With the seeds of all that the maps stand beside: runs, claims, the search's first, and the ablation's.
    """
    made = []
    for name, section in config["experiments"].items():
        denoising = section["problem"]["name"] == "denoising"
        if denoising or name in claims.mapped(config):
            seeds = [*section.get("seeds", config["seeds"]), *section["tuning"]["seeds"][:1]]
            if section["tuning"]["ranges"]:
                seeds += config["claims"]["seeds"]
            if name == AUTOENCODER:
                seeds += config["limits"]["seeds"]
            run = parameters.of_run(config, name, sorted(section["optimizers"])[0], 0)
            made.append(maps(f"maps/{name}", run, sorted(set(seeds))))
    return made
