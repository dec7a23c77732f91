"""The package as `pip install .` leaves it: beside what its dependencies name, and nothing else."""

import importlib.metadata as metadata
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def reached(requirements: list[str], beyond: set[str] = frozenset()) -> set[str]:
    """Names of the installed distributions that the requirements lead to, step by step, but not `beyond` some."""
    names: set[tuple[str, str]] = set()  # distribution and extra of it
    waiting = [(Requirement(text), "") for text in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        for wanted in ("", *requirement.extras):
            if (requirement.name, wanted) not in names:
                names.add((requirement.name, wanted))
                needs = [] if requirement.name in beyond else metadata.requires(requirement.name) or []
                waiting += [(Requirement(text), wanted) for text in needs]
    return {name for name, _ in names}


def test_a_setup_without_cuda_installs_all_that_is_needed_beside_torch():
    """What its recipe takes from the lock file are the same versions, less what torch needs for CUDA."""
    index = "TORCH_INDEX=an-index"
    call = ["make", "--dry-run", "--what-if", "requirements.lock", ".venv/ready", index]
    recipe = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=True).stdout.replace("\\\n", "")
    filtering = next(line for line in recipe.splitlines() if line.startswith("awk"))
    lines = subprocess.run(filtering.split(">")[0], shell=True, cwd=ROOT, capture_output=True, text=True).stdout
    taken = {re.split("[=;[ ]", line)[0] for line in lines.splitlines() if re.match("[a-z]", line)}
    assert not {name for name in taken if name.startswith(("nvidia", "cuda", "torch", "triton"))}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed = reached([*project["dependencies"], *extras["pipeline"], *extras["test"]], beyond={"torch"})
    missing = {name.lower().replace("_", "-").replace(".", "-") for name in needed} - taken
    assert missing <= {"torch", "torchvision"}
    from_index = next(line for line in recipe.splitlines() if "--index-url an-index" in line)
    choosing = re.search(r"\$\((.*)\)", from_index)[1]
    chosen = subprocess.run(choosing, shell=True, cwd=ROOT, capture_output=True, text=True).stdout.split()
    assert chosen == [f"{name}=={metadata.version(name).split('+')[0]}" for name in ("torch", "torchvision")]


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """The interpreter of an environment with the wheel's content and links to the distributions that it asks for."""
    folder = tmp_path_factory.mktemp("install")
    project = folder / "project"
    shutil.copytree(ROOT / "src", project / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, project)
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    built = subprocess.run([*wheel, "--wheel-dir", folder, project], capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    (site,) = (folder / "venv").glob("lib/python*/site-packages")
    zipfile.ZipFile(next(folder.glob("*.whl"))).extractall(site)
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    for name in reached(dependencies):
        distribution = metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(distribution.locate_file(top))
    return folder / "venv" / "bin" / "python"


def run(python: Path, code: str, folder: Path) -> subprocess.CompletedProcess:
    return subprocess.run([python, "-I", "-c", code], cwd=folder, capture_output=True, text=True)


def test_the_environment_lacks_what_the_pipeline_alone_needs(python, tmp_path):
    done = run(python, "import nonsmooth; print(nonsmooth.__file__); import yaml", tmp_path)
    assert str(python.parents[1]) in done.stdout
    assert "No module named 'yaml'" in done.stderr


def test_every_public_name_is_there_and_nothing_warns(python, tmp_path):
    done = run(python, "import nonsmooth; print([getattr(nonsmooth, name) for name in nonsmooth.__all__])", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr


def lines_of(page: str, python: Path, folder: Path) -> str:
    """What the code of a page prints, run from top to bottom."""
    code = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    done = run(python, "\n".join(code), folder)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    return done.stdout


def test_the_lines_of_the_librarys_page_run_with_torch_alone_and_nothing_warns(python, tmp_path):
    assert lines_of("docs/library.md", python, tmp_path)


def test_the_readmes_lines_denoise_what_they_have_not_seen_with_torch_alone(python, tmp_path):
    printed = lines_of("README.md", python, tmp_path)
    (_, training), (_, test), (_, trained), (_, tested) = map(str.split, printed.splitlines())
    assert float(trained) < float(training) / 5
    assert float(tested) < 0.3**2 / 2 < float(test)


def test_type_checkers_are_told_that_the_package_has_types(python):
    assert list(python.parents[1].glob("lib/python*/site-packages/nonsmooth/py.typed"))


@pytest.mark.parametrize("command", ["methods", "publish", "fit --data x.npy --run-folder run"])
def test_the_commands_say_in_one_line_what_to_install(command, python, tmp_path):
    module = [python, "-I", "-m", "replication", *command.split()]
    done = subprocess.run(module, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert re.fullmatch(r"No module named '\w+': .* pip install '\.\[pipeline\]' .*\n", done.stderr)
