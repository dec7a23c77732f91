"""What the tests of the workflow share: copies of the project."""

from pathlib import Path

import pytest
from snakemake_calls import copy_project


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A copy of the project's sources to change, whose library runs."""
    copy = copy_project(tmp_path / "project")
    monkeypatch.setenv("PYTHONPATH", str(copy / "src"))
    return copy
