"""The checked configuration, the plan of what is computed from it, and how jobs run."""

import atexit
import shlex
import sys
from glob import glob

from replication import config as configuration
from replication.errors import ConfigError
from replication.paths import RUN_FILES, figures
from replication.plan import Plan
from snakemake.exceptions import WorkflowError

if set("{}") & set(source(".")):
    raise WorkflowError(f"{source('.')}: Snakemake takes braces in a path for wildcards. Run it inside that folder.")
try:
    config.update(configuration.check(config, source("config/schema.yaml")))
    plan = Plan(config, source("."))
except ConfigError as error:
    raise WorkflowError(str(error)) from None
files = plan.results

# A run that was killed leaves its lock, and Snakemake then refuses to start. The command that helps is the last line.
if workflow.is_main_process and "--unlock" not in sys.argv and glob(".snakemake/locks/*"):
    unlock = shlex.join([sys.executable, "-m", "snakemake", *sys.argv[1:], "--unlock"])
    hint = f"Another run has locked files of this folder. If it goes on no more, this removes its lock:\n    {unlock}"
    atexit.register(print, hint, file=sys.stderr)

# Snakemake hands the interpreter to a shell without quotes: where its path needs some, its name has to be enough.
if shlex.quote(sys.executable) != sys.executable:
    os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    sys.executable = os.path.basename(sys.executable)

# glibc gives blocks above 32 MiB back to the system at once, and the next iteration would pay for fresh pages: with
# 60,000 images a sixth of Adam's time. Here they are kept.
os.environ |= {"MALLOC_MMAP_THRESHOLD_": str(2**32), "MALLOC_TRIM_THRESHOLD_": str(2**36)}

WHOLE_MACHINE = 10**6  # threads of a rule that must run alone: Snakemake lowers it to --cores


wildcard_constraints:
    **plan.wildcards,
