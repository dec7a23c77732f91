"""The settings that the searches chose: config/tuned.yaml."""

from pathlib import Path

import yaml

from replication.files import replacing
from replication.parameters import CRITERIA
from replication.results import Results

HEAD = "# Chosen by `snakemake tune` and taken over by `make tuned`: by experiment and optimizer, for each loss.\n"


def write(results: Results, output: str | Path) -> None:
    """Write what every search chose, a line for each optimizer. Raises ValueError where every finalist diverged."""
    lines, experiment = [f"{HEAD}tuned:"], None
    for name in results.names("tuning/*"):
        tuned = results.tuned(name)
        if tuned.ranges:
            if name.split("/")[1] != experiment:
                experiment = name.split("/")[1]
                lines.append(f"  {experiment}:")
            chosen = {criterion: tuned.choice(criterion).settings for criterion in CRITERIA}
            text = yaml.safe_dump(chosen, default_flow_style=True, width=10**6).strip()
            lines.append(f"    {tuned.optimizer}: {text}")
    with replacing(output) as path:
        path.write_text("\n".join([*lines, ""]))
