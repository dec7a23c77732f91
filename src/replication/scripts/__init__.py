"""What the rules call by `script:`, a few lines a rule: from Snakemake's objects to the library and back to files.

Snakemake runs each file here with an object `snakemake` that has the rule's input, output, params and log.
"""

import os
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from replication.errors import DataError, NotebookError
from replication.kernels import end_with_workflow


@contextmanager
def job(snakemake) -> Iterator[None]:
    """The job of a rule: all that it prints goes to the rule's log as well, and it ends when its workflow is gone.

    An error that the user can mend ends it with the message alone, any other with the traceback.
    """
    end_with_workflow()
    log = str(snakemake.log[0])
    os.makedirs(os.path.dirname(log), exist_ok=True)
    tee = subprocess.Popen(["tee", log], stdin=subprocess.PIPE)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(tee.stdin.fileno(), stream.fileno())
    tee.stdin.close()
    code = 1
    try:
        yield
        code = 0
    except (NotebookError, DataError, ValueError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.close(stream.fileno())
        tee.wait()  # until the log is whole
        os._exit(code)
