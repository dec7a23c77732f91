"""The programs that the site's pages run, or that draw it: packages of npm, fetched when the site is built."""

import base64
import hashlib
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from replication.errors import DataError

SECONDS = 300  # that npm may take for a package


@dataclass(frozen=True)
class Bundle:
    """A package of npm with its SHA-512 as npm's `dist.integrity` gives it, and those of its files that are used."""

    package: str
    integrity: str
    files: tuple[str, ...]


BUNDLES = {
    "mathjax": Bundle(  # formulas
        "mathjax@3.2.2",
        "sha512-Bt+SSVU8eBG27zChVewOicYs7Xsdt40qm4+UpHyX7k0/O9NliPc+x77k1/FEsPsjKPZGJvtRZM1vO+geW0OhGw==",
        ("es5/tex-svg.js", "LICENSE"),
    ),
    "uplot": Bundle(  # curves
        "uplot@1.6.32",
        "sha512-KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw==",
        ("dist/uPlot.iife.min.js", "dist/uPlot.min.css", "LICENSE"),
    ),
    "tabulator": Bundle(  # tables to sort and filter
        "tabulator-tables@6.5.3",
        "sha512-nJ2QaqZzQvd9B4rf4LBnRxfb6sSqA/BX2OsXnSJ2d8k21oXDSTtFtOUrDap04a/6BDGivC/MByCxy43ugadJIg==",
        ("dist/js/tabulator.min.js", "dist/css/tabulator_simple.min.css", "LICENSE"),
    ),
}
GRAPHVIZ = Bundle(  # the workflow's graph; node runs it when the site is built
    "@viz-js/viz@3.31.0",
    "sha512-r7zlQdRvcwvIpjHGgs+KNWHeE/P5/Dq7k8ZAKaMCbZqomxCBJV78gVuQYaHzFVca+kB0mX0fMW9UFevCOBG50A==",
    ("dist/viz.cjs",),
)


def fetch(folder: str | Path) -> None:
    """Write the files of each bundle to a folder of its name below `folder`. Raises DataError, with what to do."""
    for name, bundle in (BUNDLES | {"graphviz": GRAPHVIZ}).items():
        _fetch(bundle, Path(folder) / name)


def _fetch(bundle: Bundle, folder: Path) -> None:
    folder.mkdir(parents=True)
    npm = shutil.which("npm")
    if npm is None:
        raise DataError("the site needs npm, which is not installed: install Node.js")
    command = [npm, "pack", "--silent", bundle.package]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise DataError(f"npm did not give {bundle.package} within {SECONDS} seconds: try again") from None
    if done.returncode:
        raise DataError(f"npm could not give {bundle.package}: {done.stderr.strip()[-500:]}")
    (packed,) = folder.glob("*.tgz")
    unpack(packed, bundle, folder)
    packed.unlink()


def unpack(packed: Path, bundle: Bundle, folder: Path) -> None:
    """Write the bundle's files from the package at `packed`. Raises DataError where it is not the one that is meant."""
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()
    if integrity != bundle.integrity:
        raise DataError(f"{bundle.package} is refused: its hash is {integrity}, which must be {bundle.integrity}")
    with tarfile.open(packed) as archive:
        for file in bundle.files:
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(archive.extractfile(f"package/{file}").read())
