"""What happens at the terminal costs no training: closed pipes, full disks, Ctrl-C, two calls at once."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from replication import __main__ as commands
from replication import run
from replication.files import claimed
from replication.terminal import Terminal, stopping

ROOT = Path(__file__).parents[2]
LONG = 10**6  # iterations, in a training that is to be interrupted


@pytest.fixture(params=["fit", "train"])
def entrance(request, tmp_path, monkeypatch):
    """The arguments of a training into tmp_path/run, by its number of iterations and its learning rate."""
    monkeypatch.chdir(ROOT)
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).random((50, 4)))

    def arguments(iterations: int = 5, learning_rate: float = 0.01) -> list[str]:
        folder = ["--run-folder", str(tmp_path / "run")]
        if request.param == "fit":
            given = ["--data", str(tmp_path / "rows.npy"), "--iterations", str(iterations), "--method", "sgd"]
            return ["fit", *given, "--settings", f"learning_rate={learning_rate}", *folder]
        over = "experiments: {perceptron-teacher: {iterations: %d, optimizers: {sgd: {learning_rate: %s}}}}"
        (tmp_path / "over.yaml").write_text(over % (iterations, learning_rate))
        given = ["--experiment", "perceptron-teacher", "--optimizer", "sgd", "--seed", "0", "--configfile"]
        return ["train", *given, str(ROOT / "config/smoke.yaml"), str(tmp_path / "over.yaml"), *folder]

    return arguments


def command(arguments: list[str]) -> list[str]:
    return [sys.executable, "-m", "replication", *arguments]


def test_nobody_who_reads_the_output_loses_no_training(entrance, tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command(entrance()), stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")
    assert run.load(tmp_path / "run").record["status"] == "finished"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device that is always full is one of Linux")
def test_a_full_disk_behind_the_output_loses_no_training_and_is_told(entrance, tmp_path):
    with open("/dev/full", "w") as full:
        done = subprocess.run(command(entrance()), stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("done, and what it printed is not whole: [Errno 28]")
    assert run.load(tmp_path / "run").record["status"] == "finished"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_what_was_trained(entrance, number, tmp_path):
    started = subprocess.Popen(command(entrance(LONG)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in started.stdout:
        if "iteration " in line:  # a line of progress
            break
    started.send_signal(number)
    _, errors = started.communicate(timeout=60)
    assert started.returncode == 130
    assert errors.startswith("interrupted: stopped after ")
    assert "\n" not in errors.strip()
    trained = run.load(tmp_path / "run")
    assert trained.record["status"] == "stopped"
    assert 0 < trained.history["iteration"][-1] < LONG
    assert trained.network()


def test_an_interrupt_before_the_training_is_one_line(entrance, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run, "build_network", lambda *_: signal.raise_signal(signal.SIGINT))
    with pytest.raises(SystemExit) as end:
        commands.main(entrance())
    assert end.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"
    assert not (tmp_path / "run").exists()


def test_the_first_signal_asks_and_an_ignored_one_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopping() as asked:
            signal.raise_signal(signal.SIGHUP)
            assert asked({}) is False
            signal.raise_signal(signal.SIGINT)
            assert asked({}) is True
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGHUP, before)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_training_that_diverges_is_saved_and_ends_with_1(entrance, tmp_path):
    done = subprocess.run(command(entrance(200, 1e6)), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("DivergedError: diverged after ")
    assert run.load(tmp_path / "run").diverged


def test_a_folder_that_another_process_trains_into_is_refused(entrance, tmp_path):
    with claimed(tmp_path / "run", "run.json"):
        done = subprocess.run(command(entrance()), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "run is in use by another process: name another folder" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()  # nothing was written to it


def test_a_stream_that_fails_once_is_not_written_to_again():
    reader, writer = os.pipe()
    os.close(reader)
    terminal = Terminal(os.fdopen(writer, "w"))
    for _ in range(3):
        print("line", file=terminal, flush=True)
    assert isinstance(terminal.error, BrokenPipeError)
    terminal.close()
