"""What the workflow computes: for its rules the files of each result, by name, from the configuration.

Nothing here computes a result, and nothing needs torch.
"""

import os
from glob import glob

from replication.dependencies import library, of_training
from replication.errors import DataError
from replication.methods import METHODS
from replication.paths import DEVICES, PUBLISHED_FIGURES, RESULTS, STYLE
from replication.poster import Poster
from replication.report.registry import FIGURE, TABLE, of_target, shown
from replication.studies import limits
from replication.studies.catalogue import GROUPS, jobs
from replication.studies.study import Studies

VERDICTS = ("claims", "limits", "ladder")
TARGETS = {
    "all": "The poster",
    "full_mnist": "All of MNIST",
    "tune": "The search",
    "claims": "The claims",
    "limits": "The limits",
    "ladder": "The ladder",
    "field": "The field",
    "optimizers": "Today's optimizers",
    "benchmark": "Speed and scale",
}
MEASURED = ("iterations", "processes", "pipeline", "goals", "devices")


class Plan:
    """The plan of a checked configuration. `root`: the project's folder, relative to the working directory."""

    def __init__(self, config: dict, root: str, figure_folder: str = PUBLISHED_FIGURES):
        self.config, self.root, self.figure_folder = config, root, figure_folder
        self.data_root = self.source(config["data"]["root"])
        published = config["published"] and self.source(config["published"])
        self.poster = Poster(config)
        self.studies = Studies(jobs(config), published, RESULTS, config["anew"])
        self._results = self.poster.results()
        self._results |= {name: [f"{RESULTS}/{name}.json"] for name in VERDICTS}
        self._results |= {f"benchmark/{name}": [f"{RESULTS}/benchmark/{name}.json"] for name in MEASURED}
        self._results |= {
            f"published/{os.path.basename(path).removesuffix('.jsonl')}": [path] for path in self.studies.published
        }

    def source(self, path: str) -> str:
        """A file of the project."""
        return os.path.relpath(os.path.join(self.root, path))

    # Results by name

    def named(self, *patterns: str) -> dict[str, list[str]]:
        """The files of the results that match: what results.Results is made of.

        A pattern of the shell's kind, or the name of a group of results (studies.GROUPS).
        """
        named: dict[str, list[str]] = {}
        for pattern in patterns:
            wanted = GROUPS[pattern](self.config) if pattern in GROUPS else [pattern]
            found = self.studies.records(*wanted)
            found |= {name: files for name, files in self._results.items() if self.studies.matches(name, wanted)}
            named |= found
        return named

    def files(self, *patterns: str) -> list[str]:
        """What the rules that make these results write: the inputs of a rule."""
        named = self.named(*patterns)
        return sorted({files[1] if name.startswith("runs/") else files[0] for name, files in named.items()})

    def needs(self, kind: str, name: str) -> list[str]:
        """What a figure or table is made of: patterns for `named` and `files`."""
        if name not in shown(kind):
            raise DataError(f"there is no {kind} {name!r}, only {', '.join(sorted(shown(kind)))}")
        return shown(kind)[name].needs

    @staticmethod
    def behind_verdicts(study: str) -> list[str]:
        """What the verdicts of a study are made of."""
        return {"claims": ["claims:judged"], "limits": ["limits/*"], "ladder": ["ladder:rows"]}[study]

    behind_goals = (
        *("benchmark/iterations", "benchmark/processes", "benchmark/pipeline"),
        *("runs/autoencoder/*", "claims/timing/autoencoder"),
    )

    @staticmethod
    def target_of(kind: str, name: str) -> str:
        """What Snakemake's report calls the target of a figure or table."""
        return TARGETS[shown(kind)[name].target]

    @staticmethod
    def caption(kind: str, name: str) -> str:
        return shown(kind)[name].caption

    def figure(self, name: str) -> list[str]:
        """The files of a figure; `name` can be a wildcard."""
        return [f"{self.figure_folder}/{name}.{ending}" for ending in ("pdf", "png")]

    def shown(self, target: str) -> list[str]:
        """The figures and tables of a target."""
        figures = [file for name in of_target(FIGURE, target) for file in self.figure(name)]
        return figures + [f"{RESULTS}/tables/{name}.csv" for name in of_target(TABLE, target)]

    # The data behind a job

    @staticmethod
    def receipts(*datasets: str) -> list[str]:
        """What the rule leaves that has verified the files of these data sets."""
        return [f"{RESULTS}/data/{name}.sha256" for name in datasets]

    # The library's modules behind a job

    @staticmethod
    def modules(*names: str) -> list[str]:
        """Those behind the modules that are named, found from the imports, and these."""
        return [os.path.relpath(path) for path in library(*names)]

    def modules_of_shown(self, kind: str, name: str) -> list[str]:
        """Those behind a figure or a table."""
        own = f"report/{shown(kind)[name].module}.py"
        return [*self.modules("report/writing.py", own), os.path.relpath(STYLE)]

    def modules_of_job(self, name: str) -> list[str]:
        """Those behind a job, of the methods only its own."""
        job = self.studies.jobs[name]
        return self.modules(job.module, *(METHODS[method].module for method in job.methods))

    def notebook(self, experiment: str) -> str:
        return self.source(f"notebooks/{self.config['experiments'][experiment]['notebook']}.ipynb")

    def modules_of_notebook(self, experiment: str, optimizer: str) -> list[str]:
        """Those behind a training in a notebook, of the methods only its own. How things are drawn is none of them."""
        return [os.path.relpath(path) for path in of_training(self.notebook(experiment), METHODS[optimizer].module)]

    # What is published beside records

    @property
    def devices(self) -> list[str]:
        """What nonsmooth.device_times wrote on other machines."""
        return sorted(glob(self.source(f"{DEVICES}/*.json")))

    @property
    def site_sources(self) -> list[str]:
        """What the site is made of: pages, notebooks, tables and records that the repository publishes."""
        patterns = ("README.md", "CHANGELOG.md", "docs/**/*.*", "notebooks/executed/**/*.ipynb")
        patterns += ("data/records/*.jsonl", "config/*.yaml")
        return sorted(path for pattern in patterns for path in glob(self.source(pattern), recursive=True))

    def published_figures(self) -> list[list]:
        """The figures of the repository with their times: no input, since as one each would be drawn for the site."""
        paths = sorted(glob(self.source(f"{PUBLISHED_FIGURES}/*.png")))
        return [[path, os.path.getmtime(path)] for path in paths]

    def runs_here(self) -> list[str]:
        """The folders of runs that are computed. The site shows them and asks for no other."""
        return sorted(os.path.dirname(path) for path in glob(f"{RESULTS}/runs/*/*/*/run.json"))

    def verified(self) -> list[list]:
        """The jobs of the limits that `make verify` computes anew, each with its published record.

        Raises DataError where one is not published: to hold results against themselves tells nothing.
        """
        slug = limits.quickest(self.config).slug
        pairs = []
        for method in limits.methods(self.config):
            name = f"limits/{slug}/{method}"
            file, digest = self.studies.records(name)[name]
            if file not in self.studies.published:
                raise DataError(f"nothing to verify against: {self.config['published']} has no record of {name}")
            pairs.append([self.studies.arguments(name), [file, digest]])
        return pairs
