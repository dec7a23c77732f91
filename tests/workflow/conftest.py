"""What the tests of the workflow share: one server, so that each workflow starts fast, and copies of the project."""

import os
from pathlib import Path

import pytest
from replication.forkserver import VARIABLE
from snakemake_calls import copy_project
from workflow_processes import end, start_workflow


@pytest.fixture(scope="session", autouse=True)
def server(tmp_path_factory):
    """For the workflows of all tests (see forkserver.start)."""
    workflow = start_workflow(tmp_path_factory.mktemp("server"), light=False)
    os.environ[VARIABLE] = str(workflow.folder)
    yield
    del os.environ[VARIABLE]
    end(workflow)


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A copy of the project's sources to change, whose library runs."""
    copy = copy_project(tmp_path / "project")
    monkeypatch.setenv("PYTHONPATH", str(copy / "src"))
    return copy
