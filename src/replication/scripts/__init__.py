"""What the rules call by `script:`, a few lines a rule: from Snakemake's objects to the library and back to files.

Snakemake runs each file here with an object `snakemake` that has the rule's input, output, params and log. Each imports
what it needs inside `job`, so that an error of an import is told like any other.
"""

import os
import select
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from replication.errors import DataError, NotebookError
from replication.personal import WORKFLOW


@contextmanager
def job(snakemake) -> Iterator[None]:
    """The job of a rule.

    All that it prints goes to the rule's log as well, and it ends when its workflow is gone. An error that
    the user can mend ends it with the message alone, any other with the traceback.
    """
    threading.Thread(target=_end_with_workflow, args=[os.dup(2)], daemon=True).start()
    finish = _copy_output(str(snakemake.log[0]))
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
        finish()
        os._exit(code)


def _end_with_workflow(errors: int) -> None:
    """End this process when the workflow that started it is gone, also when that was killed; `errors`: where to say so.

    A kernel ends when the process that started it does.
    """
    workflow = os.environ.get(WORKFLOW)
    while workflow:
        try:
            os.kill(int(workflow), 0)
        except ProcessLookupError:
            with suppress(OSError):
                os.write(errors, b"the workflow that started this is gone\n")
            os._exit(1)
        time.sleep(0.5)


def _copy_output(log: str) -> Callable[[], None]:
    """Write what this process and those that it starts print to `log` as well, until the function returned is called.

    The end of the pipe is not waited for: multiprocessing leaves processes that keep it open.
    """
    os.makedirs(os.path.dirname(log), exist_ok=True)
    targets = [open(log, "wb"), os.fdopen(os.dup(1), "wb")]  # noqa: SIM115  (to the end of the process)
    output, printing = os.pipe()
    stop, stopping = os.pipe()
    for number in (1, 2):
        os.dup2(printing, number)
    os.close(printing)

    def copy() -> None:
        while output in select.select([output, stop], [], [])[0]:  # until there is nothing to copy but the stop
            text = os.read(output, 65536)
            for target in list(targets):
                try:
                    target.write(text)
                    target.flush()
                except OSError:  # the disk is full, or nobody reads any more: the job goes on
                    targets.remove(target)

    def finish() -> None:
        os.write(stopping, b".")
        thread.join()

    thread = threading.Thread(target=copy, daemon=True)
    thread.start()
    return finish
