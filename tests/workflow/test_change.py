"""The page on changes as a user follows it (docs/change.md): its commands, its file, its lines of code."""

import json
import re
import shlex
import shutil
from types import SimpleNamespace

import pytest
from snakemake.cli import get_argument_parser
from snakemake_calls import ROOT, output, snakemake

from replication import __main__ as commands
from replication import workflow

PAGE = (ROOT / "docs" / "change.md").read_text()
COMMANDS = re.findall(r"^ {4}(\w.*)$", PAGE, re.MULTILINE)
(MY_YAML,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
LOAD, PANDAS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


TARGETS = re.findall(r"^rule (\w+):", (ROOT / "Snakefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("snakemake ")])
def test_every_command_has_targets_and_a_configuration_that_can_be_run(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.yaml").write_text(MY_YAML)
    shutil.copy(ROOT / "config/tuned.yaml", tmp_path / "chosen.yaml")
    asked = get_argument_parser().parse_args(shlex.split(command)[1:])
    given = SimpleNamespace(configfiles=asked.configfile, config_args=asked.config, replace_workflow_config=False)
    plan = workflow.make_plan(workflow.read_config(str(ROOT), given), str(ROOT))
    known = {*TARGETS, *plan.poster.notebooks(*plan.poster.experiments), *plan.shown("all")}
    assert set(asked.targets) <= known | {f"results/records/{name}.jsonl" for name in plan.studies.jobs}
    assert bool(asked.config) != bool(asked.configfile)


def test_the_commands_without_the_pipeline_are_known():
    (command,) = (line for line in COMMANDS if line.startswith("python "))
    arguments = shlex.split(command.removeprefix("python -m replication "))
    assert commands.parser().parse_args(arguments).configfile == ["my.yaml"]


@pytest.mark.slow
def test_a_run_with_the_file_of_the_page_is_read_as_the_page_does(tmp_path, monkeypatch, capsys):
    folder = "results/runs/autoencoder/badmm/seed-7"
    done = snakemake(tmp_path, "results/notebooks/autoencoder/badmm.ipynb", "--cores", "1", over=MY_YAML)
    assert done.returncode == 0, output(done)
    parameters = json.loads((tmp_path / folder / "run.json").read_text())["parameters"]
    assert (parameters["problem"]["noise"], parameters["network"]["hidden"]) == ("masking", [128])
    monkeypatch.chdir(tmp_path)
    exec(LOAD, {})
    printed = capsys.readouterr().out
    assert "'ridge': 0.001" in printed
    assert "'tau_w': 1.0" in printed
    pytest.importorskip("pandas", reason="pandas is in the extra lab")
    exec(PANDAS, {})
    *_, iteration, trained, unseen = capsys.readouterr().out.split()
    assert (float(iteration), float(trained) < float(unseen)) == (12, True)
