"""A run as an RO-Crate, a folder that describes itself to archives: https://www.researchobject.org/ro-crate."""

from datetime import UTC, datetime
from pathlib import Path

import yaml

from replication import methods, run
from replication.errors import DataError
from replication.files import check_new, reading, write_json
from replication.paths import SOURCE

METADATA = "ro-crate-metadata.json"
ABOUT = {  # of each file of a run: media type and content
    "history.parquet": ("application/vnd.apache.parquet", "Losses and diagnostics: a row for each recorded iteration"),
    "weights.safetensors": ("application/octet-stream", "The trained weights"),
    "run.json": ("application/json", "Parameters, final numbers, versions, commit, processor and seconds"),
}


def describe(run_folder: str) -> None:
    """Write METADATA into the folder of a run: its files, its training, its numbers, and how to cite it.

    Raises DataError for a folder that holds no run, where rocrate is not installed, or without CITATION.cff; OSError
    where there is a description already.
    """
    try:
        from rocrate.rocrate import ROCrate
    except ImportError:
        raise DataError("rocrate is not installed: pip install -e '.[archive]'") from None
    folder, citation = Path(run_folder), SOURCE.parent / "CITATION.cff"
    trained = run.load(folder)
    with reading(citation):
        cited = yaml.safe_load(citation.read_text())
    check_new(folder / METADATA)
    parameters, record = trained.parameters, trained.record
    crate = ROCrate()
    crate.name = f"{methods.label(parameters.optimizer)} on {parameters.experiment}, seed {parameters.seed}"
    crate.description = (
        f"Training of {parameters.iterations} iterations, {record['status']}. Software: {cited['title']}"
    )
    crate.license = f"https://spdx.org/licenses/{cited['license']}"
    crate.datePublished = datetime.fromtimestamp((folder / "run.json").stat().st_mtime, UTC)
    files = [
        crate.add_file(folder / name, properties={"name": name, "encodingFormat": media, "description": content})
        for name, (media, content) in ABOUT.items()
    ]

    def add(key: str, kind: str, **properties: object):
        return crate.add_jsonld({"@id": f"#{key}", "@type": kind} | properties)

    (poster,) = cited["references"]
    crate.root_dataset["citation"] = add(
        "poster",
        "ScholarlyArticle",
        name=poster["title"],
        author=[f"{author['given-names']} {author['family-names']}" for author in poster["authors"]],
    )
    software = add(
        "software",
        "SoftwareApplication",
        name=cited["title"],
        version=cited["version"],
        identifier=record["git_commit"] or "unknown commit",
        softwareRequirements=[f"{name} {version}" for name, version in record["versions"].items()],
    )
    crate.root_dataset["variableMeasured"] = [
        add(name, "PropertyValue", name=name, value=value) for name, value in trained.final.items()
    ]
    crate.add_action(software, "#training", result=files, properties={"name": "training"})
    write_json(folder / METADATA, crate.metadata.generate())
    print(f"written: {folder / METADATA}")
