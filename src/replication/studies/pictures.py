"""What the methods of the claims make of unseen images while they train, for the site to step through."""

from dataclasses import asdict

from replication import parameters, records
from replication.parameters import AUTOENCODER
from replication.studies import claims
from replication.studies.study import Job

ROWS, COUNT = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500), 6  # the iterations, and the number of unseen images


def jobs(config: dict) -> list[Job]:
    """One job, "pictures/autoencoder": each method with the first seed, its settings chosen as for the default runs."""
    section = config["experiments"][AUTOENCODER]
    seed, last = section.get("seeds", config["seeds"])[0], section["iterations"]
    runs = [parameters.of_run(config, AUTOENCODER, name, seed) for name in claims.methods_of(config, AUTOENCODER)]
    shown = {"rows": [*(row for row in ROWS if row < last), last], "count": COUNT}
    depends = {"runs": {run.optimizer: records.described(run) for run in runs}, "seed": seed, **shown}
    return [Job(f"pictures/{AUTOENCODER}", "pictures", depends, {"runs": [asdict(run) for run in runs], **shown})]
