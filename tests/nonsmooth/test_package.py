"""What the library needs, and what it never imports."""

import ast
import pydoc
import re
import subprocess
import sys
from pathlib import Path

import pytest

import nonsmooth

SOURCE = Path(nonsmooth.__file__).parent


def imported_packages(path):
    """Top-level names of all absolute imports in a file, those within functions among them."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: path.name)
def test_the_library_never_imports_the_replication_nor_anything_but_torch(path):
    assert set(imported_packages(path)) - sys.stdlib_module_names <= {"nonsmooth", "torch"}


def test_every_public_name_is_there_and_others_are_refused():
    assert all(getattr(nonsmooth, name).__name__ == name for name in nonsmooth.__all__)
    with pytest.raises(AttributeError, match="'nonsmooth' has no attribute 'Sgd'"):
        nonsmooth.Sgd  # noqa: B018


def test_dir_and_help_show_every_public_name():
    assert set(nonsmooth.__all__) <= set(dir(nonsmooth))
    shown = pydoc.plain(pydoc.render_doc(nonsmooth))
    assert all(re.search(rf"^    (class )?{name}\(", shown, re.MULTILINE) for name in nonsmooth.__all__)


def test_type_checkers_find_every_public_name_where_it_is():
    (block,) = (node for node in ast.parse((SOURCE / "__init__.py").read_text()).body if isinstance(node, ast.If))
    found = {alias.asname: f"{node.module}.{alias.name}" for node in block.body for alias in node.names}
    assert found == {name: f"{home}.{name}" for name, home in nonsmooth._HOME.items()}


def test_importing_the_package_does_not_import_torch():
    code = "import sys, nonsmooth; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
