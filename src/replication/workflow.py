"""What the Snakefile does before its rules: check the configuration, plan, and see to the process that runs jobs."""

import atexit
import os
import shlex
import sys
import time
from collections.abc import MutableMapping
from glob import glob

from replication import config as configuration
from replication.errors import ConfigError, DataError
from replication.paths import RESULTS, SOURCE, check_library
from replication.personal import WORKFLOW, leave_out
from replication.plan import Plan

WHOLE_MACHINE = 10**6  # threads of a rule that must run alone: Snakemake lowers it to --cores
INPUTS = ("Snakefile", "rules/*", "config/*", "src/**/*", "notebooks/*.ipynb", "data/**/*")  # of rules, in a project
CLOCKS_DIFFER = 1.0  # seconds by which the clocks of two machines may differ


def _shown(message: object) -> Exception:
    """An error that Snakemake shows as one message, its WorkflowError."""
    from snakemake.exceptions import WorkflowError  # imported late: other users of this package have no Snakemake

    return WorkflowError(str(message))


def read_config(root: str, settings) -> dict:
    """The configuration of the project at `root` with what --configfile and --config put on top, not yet checked.

    settings: Snakemake's ConfigSettings. Its own reading takes 1e-3 for a string, what --config nests for strings, and
    of a key that is given twice the last one. Raises WorkflowError.
    """
    over = [os.path.relpath(path) for path in settings.configfiles]
    for path in over:
        if path.split(os.sep)[0] in ("results", "figures", "logs"):
            raise _shown(f"{path} is no configuration: put targets first, or -- between the files and them")
    own = [] if settings.replace_workflow_config else configuration.files(root)
    try:
        return configuration.read(*own, *over, entries=settings.config_args or ())
    except ConfigError as error:
        raise _shown(error) from None


def make_plan(config: dict, root: str) -> Plan:
    """The plan of the project at `root`; `config` becomes the checked configuration.

    Raises WorkflowError for a configuration that cannot be run, for a published file that is no record, for a project's
    path with braces, and where another clone's library would run.
    """
    if set("{}") & set(root):
        raise _shown(f"{root}: Snakemake takes braces in a path for wildcards. Run it inside that folder.")
    try:
        check_library(root)
        settle_times(root)
        config.update(configuration.check(config, os.path.join(root, "config", "schema.yaml")))
        if os.path.samefile(root, os.curdir) and config != configuration.project(root):
            return Plan(config, root, figure_folder=f"{RESULTS}/figures")  # beside the published ones
        return Plan(config, root)
    except (ConfigError, DataError) as error:
        raise _shown(error) from None


def settle_times(root: str) -> None:
    """Give files of the project at `root` that are newer than now the time of now, and name them on stderr.

    A clock that is behind makes such files, and Snakemake refuses results that are older than what they are made of.
    Raises WorkflowError for one whose time cannot be changed.
    """
    now = time.time()
    paths = [path for pattern in INPUTS for path in glob(os.path.join(root, pattern), recursive=True)]
    newer = sorted(path for path in paths if os.path.isfile(path) and os.path.getmtime(path) > now + CLOCKS_DIFFER)
    if not newer:
        return
    names = ", ".join(newer[:3]) + (f" and {len(newer) - 3} more" if newer[3:] else "")
    try:
        for path in newer:
            os.utime(path)
    except OSError as error:
        raise _shown(f"files of the project are newer than this machine's clock: {names}. {error}") from None
    print(f"Files were newer than this machine's clock, and have its time now: {names}", file=sys.stderr)


def say_where(plan: Plan, seeds: list[int]) -> None:
    """The last line of a call: where figures and tables are, and of which seeds."""
    folders = f"Figures: {plan.figure_folder}/. Tables: {RESULTS}/tables/."
    print(f"{folders} Seeds of the default runs: {', '.join(map(str, seeds))}.", file=sys.stderr)


def name_unlock(arguments: list[str]) -> None:
    """At the end, print the command that unlocks the working directory, if a run has locked it.

    A run that was killed leaves its lock, and Snakemake then refuses to start. arguments: of this call of Snakemake.
    """
    if "--unlock" not in arguments and glob(".snakemake/locks/*"):
        unlock = shlex.join([sys.executable, "-m", "snakemake", *arguments, "--unlock"])
        text = "Another run has locked files of this folder. If it goes on no more, this removes its lock:"
        atexit.register(print, f"{text}\n    {unlock}", file=sys.stderr)


def name_workflow(environment: MutableMapping[str, str] = os.environ) -> None:
    """Tell the jobs which process they are to end with: this one."""
    environment[WORKFLOW] = str(os.getpid())


def prepare_jobs(environment: MutableMapping[str, str] = os.environ) -> None:
    """See that jobs start in any folder, with this library, without personal settings, and keep their memory.

    Snakemake hands the interpreter to a shell without quotes: where its path needs some, its name has to be enough.
    glibc gives blocks above 32 MiB back to the system at once, and the next iteration would pay for fresh pages: with
    60,000 images a sixth of Adam's time.
    """
    leave_out(environment)
    path = environment.get("PYTHONPATH")  # it may be relative to another folder than that of jobs
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(SOURCE), path]))
    if shlex.quote(sys.executable) != sys.executable:
        environment["PATH"] = os.path.dirname(sys.executable) + os.pathsep + environment["PATH"]
        sys.executable = os.path.basename(sys.executable)
    environment |= {"MALLOC_MMAP_THRESHOLD_": str(2**32), "MALLOC_TRIM_THRESHOLD_": str(2**36)}
