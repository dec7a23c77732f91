"""The site: every page, notebook and record of the project, to read in a browser from disk.

Sphinx makes it of pages that `sources` lays and of data that `data` writes beside them. What is shown is what the
repository publishes, and the histories of runs where there are some.
"""

import shutil
import tempfile
from pathlib import Path

from replication import config as configuration
from replication.errors import DataError
from replication.paths import PUBLISHED_TABLES
from replication.report import rows
from replication.report.site import data, provenance, sources


def build(root: str | Path, output: str | Path, bundles: str | Path, runs: list[str]) -> None:
    """Write the site of the project at `root` to the folder `output`. Raises DataError.

    bundles: folder of bundles.fetch. runs: folders of runs whose histories are shown.
    """
    try:
        from sphinx.cmd.build import build_main
    except ImportError:
        raise DataError("the site needs Sphinx: run make site, or pip install -e '.[site]'") from None

    root, bundles = Path(root), Path(bundles)
    config = configuration.project(root)
    tables = rows.read(root / PUBLISHED_TABLES)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "pages")
        built = Path(temporary, "built", "site")  # MyST-NB leaves a folder beside it
        folder.mkdir()
        shutil.copy(root / "docs/site/conf.py", folder)
        static = shutil.copytree(root / "docs/site/static", folder / "_static")
        shutil.copytree(bundles, static / "bundles", ignore=shutil.ignore_patterns("graphviz"))
        (folder / "provenance.md").write_text(provenance.page(root, tables))
        sources.lay(root, folder, config, tables)
        (static / "workflow.svg").write_text(provenance.graph(root, bundles / "graphviz"))
        data.write(root, static, config, tables, runs)
        if build_main(["-q", "-b", "html", str(folder), str(built), "-d", f"{temporary}/doctrees"]):
            raise DataError("Sphinx could not make the site: its messages stand above")
        shutil.copytree(built, output, dirs_exist_ok=True)
