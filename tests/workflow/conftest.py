"""One server for the workflows of all tests, so that each starts fast (see forkserver.start)."""

import os

import pytest
from workflow_processes import end, start_workflow

from replication.forkserver import VARIABLE


@pytest.fixture(scope="session", autouse=True)
def server(tmp_path_factory):
    workflow = start_workflow(tmp_path_factory.mktemp("server"), light=False)
    os.environ[VARIABLE] = str(workflow.folder)
    yield
    del os.environ[VARIABLE]
    end(workflow)
