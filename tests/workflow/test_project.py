"""The files around the code, held against each other."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from snakemake_calls import ROOT

from replication.dependencies import dependencies
from replication.paths import PACKAGES, SOURCE
from replication.report import pages

LOCK = (ROOT / "requirements.lock").read_text()
LOCKED = dict(re.findall(r"^([a-z0-9_.-]+)==([^ ;\\]+)", LOCK, re.MULTILINE))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
VERSIONS = re.search(r"^VERSIONS := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()


def named(requirements: list[str]) -> dict[str, Requirement]:
    return {requirement.name.lower(): requirement for requirement in map(Requirement, requirements)}


def test_the_lock_has_what_the_project_asks_for():
    locked = named(re.findall(r"^\S+==.*(?= \\$)", LOCK, re.MULTILINE))
    for name, requirement in named([*PROJECT["dependencies"], *EXTRAS["pipeline"], *EXTRAS["test"]]).items():
        assert requirement.specifier.contains(LOCKED[name]), f"{requirement} against {LOCKED[name]}"
        for version in VERSIONS:
            python = {"python_version": version, "python_full_version": f"{version}.0", "sys_platform": "linux"}
            assert locked[name].marker.evaluate(python), f"{name} on Python {version}"


def test_every_locked_file_has_a_hash():
    blocks = re.split(r"^(?=[a-z0-9_.-]+==)", LOCK, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(LOCKED)
    assert all("--hash=sha256:" in block for block in blocks)


def test_torch_is_the_version_that_the_results_were_computed_with():
    assert (LOCKED["torch"], LOCKED["torchvision"]) == ("2.14.1", "0.29.1")


def test_conda_users_get_the_versions_of_the_lock():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert any(f"python={version}" in environment["dependencies"] for version in VERSIONS)
    (pinned,) = (entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert pinned[-1] == "-e ."
    versions = dict(line.split("==") for line in pinned[:-1])
    wanted = named([*PROJECT["dependencies"], *(line for extra in EXTRAS.values() for line in extra)])
    assert versions.keys() == wanted.keys()
    for name, version in versions.items():
        assert wanted[name].specifier.contains(version)
        assert version == LOCKED.get(name, version)
    extras = [*EXTRAS["lab"], *EXTRAS["archive"], *EXTRAS["site"], *EXTRAS["slurm"]]
    assert set(versions) - set(LOCKED) == set(named(extras))


def test_style():
    for command in (["ruff", "check"], ["ruff", "format", "--check"]):
        done = subprocess.run([sys.executable, "-m", *command, "."], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_style_of_the_workflow():
    paths = ["Snakefile", *(str(path) for path in sorted((ROOT / "rules").glob("*.smk")))]
    command = [Path(sys.executable).parent / "snakefmt", "--check", *paths]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_version_is_one():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"]
    assert f"## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text()


def test_no_module_imports_itself_by_way_of_others():
    for package in PACKAGES:
        for path in (SOURCE / package).rglob("*.py"):
            assert path.name == "__init__.py" or path not in dependencies(path), path


def test_commands_and_paths_of_the_pages_exist():
    makefile = (ROOT / "Makefile").read_text()
    written = {"data/MNIST/raw", "data/FashionMNIST/raw", "results/"}
    for page in pages.paths(ROOT):
        text = page.read_text()
        for target in re.findall(r"(?:`|^ {4})make ([a-z]+)", text, re.MULTILINE):
            assert re.search(rf"^{target}: (\.venv/ready|figures) ", makefile, re.MULTILINE), (
                f"{page.name}: make {target}"
            )
        for path in re.findall(r"`((?:src|config|notebooks|docs|data|figures|tests)/[\w./-]*)`", text):
            assert (ROOT / path).exists() or path in written, f"{page.name}: {path}"


def test_the_readme_names_the_two_commands_that_do_everything():
    section = re.search(r"## Run it\n(.*?)\n## ", (ROOT / "README.md").read_text(), re.DOTALL).group(1)
    assert re.findall(r"^    make (\w+)$", section, re.MULTILINE) == ["figures", "test"]


def test_no_reading_is_called_literal():
    """The body of Algorithm 1 is lost to us: both weight updates are our readings."""
    for path in [*pages.paths(ROOT), *sorted((ROOT / "notebooks").glob("*.ipynb")), ROOT / "CHANGELOG.md"]:
        assert "literal" not in path.read_text().lower(), path.name


def test_every_test_of_the_page_of_faults_exists():
    names = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs" / "reliability.md").read_text())
    assert len(names) > 80
    assert not [f"{file}::{name}" for file, name in names if f"def {name}(" not in (ROOT / file).read_text()]


UNPICKLERS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
UNPICKLING = r"(torch|yaml)\.(load|load_all|unsafe_load|full_load)|pd\.read_pickle|.*allow_pickle=True.*"


def test_nothing_is_unpickled():
    for path in [*SOURCE.rglob("*.py"), *(ROOT / "rules").glob("*.smk"), *(ROOT / "notebooks").glob("*.ipynb")]:
        assert not re.search(rf"\bimport ({'|'.join(UNPICKLERS)})\b", path.read_text()), path
        if path.suffix == ".py":
            calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
            texts = [f"{ast.unparse(call.func)} {' '.join(map(ast.unparse, call.keywords))}" for call in calls]
            assert not [text for text in texts if re.match(UNPICKLING, text)], path


def test_no_rule_calls_a_shell():
    """So no value of the configuration is ever part of a command line."""
    rules = "\n".join(path.read_text() for path in [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")])
    assert not re.search(r"^ +(shell|run):", rules, re.MULTILINE)
    shells = re.compile(r"shell=True|os\.(system|popen)|subprocess\.getoutput")
    assert not [path for path in SOURCE.rglob("*.py") if shells.search(path.read_text())]


def test_the_package_says_which_pythons_it_is_for():
    versions = [line.split(" :: ")[-1] for line in PROJECT["classifiers"] if "Python :: 3." in line]
    assert versions == VERSIONS
    assert PROJECT["requires-python"] == f">={VERSIONS[0]}"


def set_up(folder: Path, pythons: dict[str, str], *arguments: str) -> subprocess.CompletedProcess:
    """Set-up in a folder, where PATH has nothing but `pythons`: commands, each with the version that it claims."""
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    for name, version in pythons.items():
        claim = f"import sys; sys.version_info = tuple(map(int, '{version}'.split('.')))"
        (folder / name).write_text(f"""#!/bin/sh
            [ "$1" = --version ] && echo Python {version} && exit
            [ "$1" = -c ] && code=$2 && shift 2 && exec "{sys.executable}" -c "{claim}; $code" "$@"
            echo "{name} $*" && exit 1
            """)
        (folder / name).chmod(0o755)
    command = [shutil.which("make"), "--silent", ".venv/ready", *arguments]
    environment = {"PATH": str(folder), "HOME": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("version", ["2.7.18", "3.10.13", "3.15.0"])
def test_make_says_which_pythons_it_takes_before_any_work(version, tmp_path):
    done = set_up(tmp_path, {"python3": version})
    assert done.returncode != 0
    assert done.stdout == (
        f"Python 3.11 to 3.14 is needed, and python3 is Python {version}: make PYTHON=/path/to/python\n"
    )
    assert not (tmp_path / ".venv").exists()


def test_make_says_that_a_python_is_not_there(tmp_path):
    assert "and python3 is not there: make PYTHON=" in set_up(tmp_path, {}).stdout
    done = set_up(tmp_path, {"python3": "3.12.1"}, "PYTHON=/no/python")
    assert "and /no/python is not there: make PYTHON=" in done.stdout


@pytest.mark.parametrize(
    ("pythons", "taken"),
    [
        *(({"python3": f"{version}.1", "python3.11": "3.11.9"}, "python3") for version in VERSIONS),
        ({"python3": "3.9.18", "python3.12": "3.12.1", "python3.13": "3.13.0"}, "python3.12"),
        ({"python3.13": "3.13.0"}, "python3.13"),
    ],
)
def test_make_takes_python3_or_else_another_that_is_there(pythons, taken, tmp_path):
    done = set_up(tmp_path, pythons)
    assert done.stdout == f"{taken} -m venv --clear .venv\n"
    assert done.stderr.count("\n") == 1, "make's own line on the recipe that failed, and no other"


def environment_of_a_recipe(**settings: str) -> dict[str, str]:
    command = ["make", "--silent", "-f", "Makefile", "-f", "-", "show"]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | settings, input="show:\n\t@env", capture_output=True, text=True, check=True
    )
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def test_make_keeps_of_a_persons_pip_settings_where_it_downloads_from():
    own = {"PIP_USER": "1", "PIP_TARGET": "elsewhere", "PIP_INDEX_URL": "https://example.org/simple"}
    recipe = environment_of_a_recipe(**own)
    assert "PIP_TARGET" not in recipe
    assert (recipe["PIP_USER"], recipe["PIP_INDEX_URL"]) == ("0", own["PIP_INDEX_URL"])


def test_make_gives_snakemake_a_cache_where_home_has_none(tmp_path):
    (tmp_path / "file").touch()
    assert environment_of_a_recipe(HOME=f"{tmp_path}/file", XDG_CACHE_HOME="")["XDG_CACHE_HOME"] == f"{ROOT}/.cache"
    assert environment_of_a_recipe(HOME=f"{tmp_path}/my home", XDG_CACHE_HOME="")["XDG_CACHE_HOME"] == ""
