"""What the workflow computes: for each rule its files and the parameters that it hands on, from the configuration.

The rules ask this; nothing here computes a result, and nothing needs torch. Functions that take `wildcards` are for
Snakemake, which calls them with an object that has a rule's wildcards as attributes. What they return as parameters is
made of dictionaries, lists and plain values, since Snakemake notices a change of no other.
"""

import os
import re
from dataclasses import asdict
from glob import glob

from replication import parameters, records
from replication.dependencies import library
from replication.errors import DataError
from replication.limit_settings import Limits
from replication.methods import METHODS, POSTER, baselines, compared, default, label, of_role
from replication.parameters import AUTOENCODER, EVERY_SETTING, LEVERS, SELECTIONS, Parameters, plain
from replication.paths import DEVICES, PUBLISHED_FIGURES, RUN_FILES, STYLE, ResultFiles, figures
from replication.poster import Poster
from replication.report import captions
from replication.report.figures import FIGURES as FIGURE_MODULES
from replication.sections import merge
from replication.statements import experiments_of, rivals

# The optimizers of no claim that stand beside the claims' in the table of references and in the figure of the search.
BESIDE = ("adam-minibatch", "adamw", "lbfgs")
PERCEPTRONS = ("perceptron", "perceptron-teacher")
# The experiments that the figures of all trials draw.
SEARCHED = (
    *("autoencoder", "autoencoder-regularised", "autoencoder-small-weights"),
    *("perceptron", "perceptron-teacher", "perceptron-whitened"),
)
# The iterations and the number of unseen images of the pictures that the site steps through.
PICTURED_ROWS, PICTURED_IMAGES = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500), 6
# The figures and tables of each target of snakemake.
FIGURES = {
    "all": ["comparison", "poster", "perceptron_loss", "autoencoder_convergence", "autoencoder_samples", "inside"],
    "full_mnist": ["full_mnist"],
    "tune": ["tuning", "tuning_perceptron"],
    "claims": ["answer", "budget"],
    "limits": ["limits", "conditioning", "ablation"],
    "ladder": ["ladder"],
    "optimizers": ["search"],
    "benchmark": ["benchmark"],
}
TABLES = {
    "all": ["runs"],
    "tune": ["time_tune"],
    "claims": ["claims", "timings", "references", "trained", "time_claims"],
    "limits": ["limits", "limits_active", "limits_where", "conditioning", "pixels", "ablation", "time_limits"],
    "ladder": ["ladder", "time_ladder"],
    "optimizers": ["optimizers", "time_optimizers"],
    "benchmark": [
        *("goals", "quality", "cost_model", "predictions"),
        *("iterations", "setup", "memory", "processes", "machine", "overhead"),
        *("devices", "device_predictions"),
    ],
}
# What Snakemake's report calls each target.
SECTIONS = {
    "all": "The poster",
    "full_mnist": "All of MNIST",
    "tune": "The search",
    "claims": "The claims",
    "limits": "The limits",
    "ladder": "The ladder",
    "optimizers": "Today's optimizers",
    "benchmark": "Speed and scale",
}


class Plan:
    """The plan of a checked configuration. `root`: the project's folder, relative to the working directory."""

    def __init__(self, config: dict, root: str, figure_folder: str = PUBLISHED_FIGURES):
        self.config, self.root, self.figure_folder = config, root, figure_folder
        self.results = ResultFiles()
        self.experiments: dict[str, dict] = config["experiments"]
        self.optimizers = {name: sorted(section["optimizers"]) for name, section in self.experiments.items()}
        self.poster = Poster(config, root)
        self.seeds = {name: self.poster.seeds(name) for name in self.experiments}
        self.data_root = self.poster.data_root
        self.published_root = config["published"] and self.source(config["published"])
        folder = config["limits"]["published"]
        published = records.read_keys(self.source(folder)) if folder else {}
        self.limits = Limits(config, published, self.results)

    # The project's own files

    def source(self, path: str) -> str:
        """A file of the project."""
        return os.path.relpath(os.path.join(self.root, path))

    @property
    def devices(self) -> list[str]:
        """What nonsmooth.device_times wrote on other machines."""
        return sorted(glob(self.source(f"{DEVICES}/*.json")))

    def published(self, result: str) -> list[str]:
        """The published record that stands for a result, where there is one: it may have other keys."""
        path = self.published_root and os.path.join(self.published_root, os.path.relpath(result, self.results.folder))
        return [path] if path and os.path.exists(path) else []

    def keys(self, kind: str, run: dict, **values) -> list[dict]:
        """The key of a record (records.KEYS) with the parameters of a run."""
        method = run["optimizer"]
        return [plain(records.key(run | {"kind": kind, "method": method, "version": METHODS[method].version} | values))]

    @staticmethod
    def modules(*names: str) -> list[str]:
        """The library modules behind those that are named, found from the imports, and these."""
        return [os.path.relpath(path) for path in library(*names)]

    # Runs and images

    def trained(self, experiment: str) -> list[str]:
        """The optimizers that the experiment's own target trains; `snakemake optimizers` compares all."""
        return self.poster.optimizers(experiment)

    def parameters(self, experiment: str, optimizer: str, seed: int, tuned_on: str | None = None) -> Parameters:
        return parameters.of_run(self.config, experiment, optimizer, seed, tuned_on)

    def compared(self, experiment: str) -> tuple[str, ...]:
        """The methods of claims on either side that take part in an experiment, and the variants of baselines there."""
        names = dict.fromkeys(compared(self.optimizers[experiment]))
        return tuple(names | dict.fromkeys(name for own, same in self.rivals if own == experiment for name in same))

    def samples(self, experiment: str, seeds: list[int]) -> dict[int, str | None]:
        return self.poster.samples(experiment, seeds)

    def image_files(self, experiment: str, seeds: list[int]) -> list[str]:
        return self.poster.image_files(experiment, seeds)

    def runs_to_time(self, wildcards) -> list[dict]:
        """The parameters of one run of each optimizer."""
        experiment = wildcards.experiment
        seed = self.seeds[experiment][0]
        names = self.optimizers[experiment] if wildcards.compared else self.trained(experiment)
        return plain([asdict(self.parameters(experiment, name, seed)) for name in names])

    def image_to_time(self, wildcards) -> list[str]:
        return self.image_files(wildcards.experiment, self.seeds[wildcards.experiment][:1])

    # The search

    def ranges(self, experiment: str) -> dict[str, dict]:
        return self.experiments[experiment]["tuning"]["ranges"]

    @property
    def searched(self) -> list[tuple[str, str]]:
        """Experiments and optimizers that have ranges to search."""
        return [(experiment, name) for experiment in self.experiments for name in self.ranges(experiment)]

    def search_files(self, experiment: str) -> list[str]:
        """The search of every method of an experiment."""
        return [self.results.search(experiment, name) for name in sorted(self.ranges(experiment))]

    def search_seeds(self, experiment: str) -> list[int]:
        return self.experiments[experiment]["tuning"]["seeds"]

    def search(self, wildcards) -> dict:
        """The fields of search.Search."""
        tuning = self.experiments[wildcards.experiment]["tuning"]
        shared = {name: tuning[name] for name in ("finalists", "statistic", "guided", "screened") if name in tuning}
        ranges = tuning["ranges"][wildcards.optimizer]
        first = self.first_trials(tuning.get("starts_from"), wildcards.optimizer, ranges)
        return plain(shared | {"ranges": ranges, "trials": self.count_of_trials(tuning, ranges), "first": first})

    @staticmethod
    def count_of_trials(section: dict, ranges: dict) -> int:
        """How many trials a section gives to a method with these ranges."""
        return section.get("trials_beyond_two", section["trials"]) if len(ranges) > 2 else section["trials"]

    def first_trials(self, experiment: str | None, optimizer: str, ranges: dict) -> list[dict]:
        """The settings that were chosen in another experiment, by either column, as trials in these ranges.

        A setting that was not searched there has the value that it had.
        """
        section = self.experiments[experiment] if experiment else {"optimizers": {}}
        first: list[dict] = []
        for column in SELECTIONS if optimizer in section["optimizers"] else ():
            chosen = section["optimizers"][optimizer] | section.get("tuned_on", {}).get(column, {}).get(optimizer, {})
            settings = {name: chosen.get(name, default(optimizer, name)) for name in ranges}
            if None not in settings.values() and settings not in first:
                first.append(settings)
        return first

    def keys_of_search(self, wildcards) -> list[dict]:
        seeds = self.search_seeds(wildcards.experiment)
        return self.keys("search", self.run_to_search(wildcards), search=self.search(wildcards), seeds=seeds)

    def published_search(self, wildcards) -> list[str]:
        return self.published(self.results.search(wildcards.experiment, wildcards.optimizer))

    def run_to_search(self, wildcards) -> dict:
        """Parameters of a run, without the settings that are searched."""
        experiment, optimizer = wildcards.experiment, wildcards.optimizer
        run = asdict(self.parameters(experiment, optimizer, self.search_seeds(experiment)[0]))
        ranges = self.ranges(experiment)[optimizer]
        run["settings"] = {name: value for name, value in run["settings"].items() if name not in ranges}
        return plain(run)

    def samples_to_search(self, wildcards) -> dict:
        return self.samples(wildcards.experiment, self.search_seeds(wildcards.experiment))

    def images_to_search(self, wildcards) -> list[str]:
        return self.image_files(wildcards.experiment, self.search_seeds(wildcards.experiment))

    @property
    def select_by(self) -> dict[str, str]:
        return {name: section["tuning"]["select_by"] for name, section in self.experiments.items()}

    # The claims

    @property
    def statements(self) -> list[dict]:
        """The claims that are judged by experiments."""
        return [statement for statement in self.config["claims"]["statements"] if "experiment" in statement]

    @property
    def judged_on(self) -> list[tuple[dict, dict, str]]:
        """Each statement with each kind of baseline on each of its experiments."""
        kinds, known = self.config["claims"]["kinds"], self.experiments
        return [(s, kind, e) for s in self.statements for kind in kinds for e in experiments_of(s, kind, known)]

    @property
    def rivals(self) -> list[tuple[str, list[str]]]:
        """Experiments where a baseline has variants, with these methods: the best one stands for the baseline."""
        each = [(e, rivals(kind, name, self.optimizers[e])) for s, kind, e in self.judged_on for name in s["against"]]
        return [(experiment, names) for experiment, names in each if len(names) > 1]

    @property
    def shown(self) -> list[tuple[str, str]]:
        """Experiments and optimizers of the table of references: the autoencoder's, and those of its other claims.

        Of kinds of baseline with experiments of their own, those whose settings are chosen on validation images.
        """
        of_autoencoder = [judged for judged in self.judged_on if judged[0]["experiment"] == AUTOENCODER]
        elsewhere = {
            experiment
            for statement, kind, experiment in of_autoencoder
            if not kind["suffix"] or statement["selected_by"] == "validation_loss"
        } - {AUTOENCODER}
        beside = [name for name in BESIDE if name in self.optimizers[AUTOENCODER]]
        return [(AUTOENCODER, name) for name in (*self.compared(AUTOENCODER), *beside)] + [
            (experiment, name) for experiment in sorted(elsewhere) for name in self.compared(experiment)
        ]

    @property
    def mapped(self) -> list[str]:
        """Of the experiments in that table the first with each problem: reference maps stand beside them."""
        first: dict[str, str] = {}
        for experiment, _ in self.shown:
            first.setdefault(repr(self.experiments[experiment]["problem"]), experiment)
        return list(first.values())

    @property
    def claim_runs(self) -> list[tuple[str, str, str]]:
        """Experiment, selection and optimizer of the runs that claims are judged by."""
        judged = {(e, statement["selected_by"]) for statement, _, e in self.judged_on}
        return sorted((experiment, *rest, name) for experiment, *rest in judged for name in self.compared(experiment))

    @property
    def reference_runs(self) -> list[tuple[str, str, str]]:
        """The same of the table of references: settings chosen by validation loss, and the autoencoder's by both."""
        selections = {AUTOENCODER: SELECTIONS}
        return sorted((e, chosen, n) for e, n in self.shown for chosen in selections.get(e, ("validation_loss",)))

    @property
    def compared_runs(self) -> list[tuple[str, str, str]]:
        """The same of the comparison with every optimizer, of the experiments whose target does not train all."""
        experiments = [name for name, section in self.experiments.items() if "in_target" in section]
        return [(e, selection, name) for e in experiments for selection in SELECTIONS for name in self.optimizers[e]]

    @property
    def compared_timings(self) -> list[str]:
        return [self.results.timing(e, "-compared") for e in dict.fromkeys(e for e, *_ in self.compared_runs)]

    @property
    def compared_files(self) -> list[str]:
        return [self.results.seeds(*run) for run in self.compared_runs]

    @property
    def claim_files(self) -> list[str]:
        return [self.results.seeds(*run) for run in self.claim_runs]

    @property
    def reference_files(self) -> list[str]:
        return [self.results.seeds(*run) for run in self.reference_runs]

    @property
    def timed_claims(self) -> list[str]:
        """The timings that claims about wall time need."""
        timed = {e for s, _, e in self.judged_on if any(name.startswith("seconds") for name in s["quantities"])}
        return [self.results.timing(experiment) for experiment in sorted(timed)]

    @property
    def searched_claims(self) -> list[str]:
        """The searches by which the best variant of a baseline is found."""
        return sorted({self.results.search(experiment, name) for experiment, names in self.rivals for name in names})

    def run_to_judge(self, wildcards) -> dict:
        seed = self.config["claims"]["seeds"][0]
        return plain(asdict(self.parameters(wildcards.experiment, wildcards.optimizer, seed, wildcards.selection)))

    def images_to_judge(self, wildcards) -> list[str]:
        return self.image_files(wildcards.experiment, self.config["claims"]["seeds"])

    def every_to_judge(self, wildcards) -> int:
        """Iterations between evaluations."""
        return self.config["claims"]["every"][wildcards.selection]

    @staticmethod
    def ssim_to_judge(wildcards) -> bool:
        """Whether runs are asked for SSIM, which images are judged by."""
        return wildcards.selection == "validation_loss"

    def keys_of_seeds(self, wildcards) -> list[dict]:
        asked = {"every": self.every_to_judge(wildcards), "with_ssim": self.ssim_to_judge(wildcards)}
        seeds = self.config["claims"]["seeds"]
        return self.keys("seeds", self.run_to_judge(wildcards), seeds=seeds, **asked)

    def published_seeds(self, wildcards) -> list[str]:
        names = wildcards.experiment, wildcards.selection, wildcards.optimizer
        return self.published(self.results.seeds(*names))

    def samples_to_judge(self, wildcards) -> dict:
        return self.samples(wildcards.experiment, self.config["claims"]["seeds"])

    # Reference maps

    def map_seeds(self, wildcards) -> list[int]:
        """The seeds of what the maps are drawn or told beside."""
        uses = {
            "claims": self.config["claims"]["seeds"],
            "tuning": self.search_seeds(wildcards.experiment)[:1],
            "ablation": self.config["limits"]["seeds"],
        }
        return uses.get(wildcards.use, self.seeds[wildcards.experiment])

    def images_to_map(self, wildcards) -> list[str]:
        return self.image_files(wildcards.experiment, self.map_seeds(wildcards))

    def samples_to_map(self, wildcards) -> dict:
        return self.samples(wildcards.experiment, self.map_seeds(wildcards))

    def run_to_map(self, wildcards) -> dict:
        """Parameters of a run, without what is the optimizer's."""
        experiment = wildcards.experiment
        run = asdict(self.parameters(experiment, self.optimizers[experiment][0], 0))
        return plain(run | {"optimizer": "", "settings": {}})

    # The limits, conditioning and ablation

    def study_to_answer(self, wildcards) -> dict:
        """The arguments of studies.limits.study at a setting, and the keys of its record."""
        return self._study(wildcards.setting, wildcards.optimizer)

    def study_again(self, wildcards) -> dict:
        return self._study(self.limits.smallest.slug, wildcards.optimizer)

    def _study(self, slug: str, method: str) -> dict:
        run, search = asdict(self.limits.run(slug, method)), self.limits.search(slug, method)
        return plain({"parameters": run, "search": search, "keys": [self.limits.study_key(slug, method)]})

    def maps_to_answer(self, wildcards) -> dict:
        run = asdict(self.limits.run(wildcards.setting, self.limits.methods[0])) | {"optimizer": "", "settings": {}}
        seeds, keys = self.config["limits"]["seeds"], [self.limits.maps_key(wildcards.setting)]
        return plain({"parameters": run, "seeds": seeds, "keys": keys})

    def timing_to_answer(self, wildcards) -> dict:
        slug = wildcards.setting
        methods = self.limits.methods_to_time(slug, self.results.limit(slug, f"timing{wildcards.added}"))
        runs = [asdict(run) for run in self.limits.runs_to_time(slug, methods)]
        keys = [self.limits.timing_key(slug, name) for name in methods]
        return plain({"runs": runs, "rounds": self.config["timing"]["rounds"], "keys": keys})

    @property
    def collected_settings(self) -> list[dict]:
        return [asdict(setting) for setting in self.limits.settings.values()]

    @property
    def published_again(self) -> list[str]:
        """The published records that `make verify` computes anew: to hold results against themselves tells nothing.

        Raises DataError where one is not published.
        """
        files = [self.limits.smallest.studies[name] for name in self.limits.methods]
        missing = [file for file in files if file.startswith(self.results.folder)]
        if missing:
            folder = self.config["limits"]["published"]
            raise DataError(f"nothing to verify against: {folder} has no record of what {missing[0]} would be")
        return files

    @property
    def conditioning(self) -> dict:
        """The numbers and seeds of studies.conditioning.study."""
        return plain(self.config["conditioning"])

    def runs_to_condition(self, wildcards) -> dict:
        experiment = wildcards.experiment
        return plain({n: asdict(self.parameters(experiment, n, 0)) for n in self.optimizers[experiment]})

    def ranges_to_condition(self, wildcards) -> dict:
        return plain(self.ranges(wildcards.experiment))

    def _conditioning_seeds(self) -> list[int]:
        return [*self.config["conditioning"]["tuning_seeds"], *self.config["conditioning"]["seeds"]]

    def images_to_condition(self, wildcards) -> list[str]:
        return self.image_files(wildcards.experiment, self._conditioning_seeds())

    def samples_to_condition(self, wildcards) -> dict:
        return self.samples(wildcards.experiment, self._conditioning_seeds())

    def runs_to_ablate(self, wildcards) -> dict:
        runs = {name: self.parameters(AUTOENCODER, name, 0, wildcards.selection) for name in of_role(POSTER)}
        return plain({name: asdict(run) for name, run in runs.items()})

    @property
    def samples_to_ablate(self) -> dict:
        return self.samples(AUTOENCODER, self.config["limits"]["seeds"])

    @property
    def images_to_ablate(self) -> list[str]:
        return self.image_files(AUTOENCODER, self.config["limits"]["seeds"])

    # The ladder

    @property
    def rungs(self) -> list[tuple[str, str]]:
        """Experiments and methods of the ladder, in their order."""
        return [(e["name"], method) for e in self.config["ladder"]["experiments"] for method in e["methods"]]

    @property
    def rung_files(self) -> list[str]:
        return [self.results.rung(*rung) for rung in self.rungs]

    @property
    def rows_of_ladder(self) -> list[dict]:
        """The fields of studies.ladder.Rung, in order. Below a rung stands what the configuration shows beside it.

        That has the claims' seeds, and stands there only where the ladder's are among them.
        """
        rows, among = [], {*self.config["ladder"]["seeds"]} <= {*self.config["claims"]["seeds"]}
        for entry in self.config["ladder"]["experiments"]:
            for method in entry["methods"]:
                row = {"experiment": entry["name"], "method": method, "optimizer": method, "label": label(method)}
                claims = self.published(self.results.seeds(entry["experiment"], "train_loss", method))
                rows.append(row | {"runs": self.results.rung(entry["name"], method), "claims": claims})
                for name, other in entry.get("beside", {}).items():
                    if among and other["method"] == method:
                        runs = self.results.seeds(other["experiment"], "train_loss", method)
                        rows.append(row | {"method": name, "label": other["label"], "runs": runs})
        return plain(rows)

    @property
    def files_of_ladder(self) -> list[str]:
        """The records behind its rows."""
        return [path for row in self.rows_of_ladder for path in (row["runs"], *row.get("claims", []))]

    def run_to_climb(self, wildcards) -> dict:
        """Parameters of the run of the tuning seed, without the settings that are searched."""
        entry = self._ladder(wildcards)
        section = merge(self.experiments[entry["experiment"]], entry["over"])
        names = wildcards.ladder, wildcards.optimizer, self.config["ladder"]["tuning_seed"]
        return plain(asdict(parameters.of_section(self.config, section, *names, settings={})))

    def _ladder(self, wildcards) -> dict:
        (entry,) = (entry for entry in self.config["ladder"]["experiments"] if entry["name"] == wildcards.ladder)
        return entry

    def search_to_climb(self, wildcards) -> dict:
        ladder = self.config["ladder"]
        ranges = (ladder["ranges"] | self._ladder(wildcards).get("ranges", {}))[wildcards.optimizer]
        trials = self.count_of_trials(ladder, ranges)
        return plain({"ranges": ranges, "trials": trials, "finalists": 1, "statistic": "last"})

    @property
    def ladder_seeds(self) -> list[int]:
        """The seed of the search, and those of the runs."""
        return [self.config["ladder"]["tuning_seed"], *self.config["ladder"]["seeds"]]

    def samples_to_climb(self, wildcards) -> dict:
        return self.samples(self._ladder(wildcards)["experiment"], self.ladder_seeds)

    def images_to_climb(self, wildcards) -> list[str]:
        return [path for path in self.samples_to_climb(wildcards).values() if path]

    def keys_of_rung(self, wildcards) -> list[dict]:
        asked = {"search": self.search_to_climb(wildcards), "rows": self.config["ladder"]["rows"]}
        return self.keys("rung", self.run_to_climb(wildcards), seeds=self.ladder_seeds, **asked)

    def published_rung(self, wildcards) -> list[str]:
        return self.published(self.results.rung(wildcards.ladder, wildcards.optimizer))

    # Figures and tables

    def results_of(self, target: str | None, optimizers: dict[str, list[str]] | None = None) -> dict:
        """The fields of results.Results: which results of a target there are."""
        experiments = self.poster.of_target(target)
        seeds, names = {e: self.seeds[e] for e in experiments}, {e: self.trained(e) for e in experiments}
        return plain({"folder": self.results.folder, "seeds": seeds, "optimizers": optimizers or names})

    def behind_figure(self, wildcards) -> list[str]:
        return self.behind(wildcards.figure)

    def behind(self, figure: str) -> list[str]:
        """The results that a figure is drawn from."""
        results = self.results
        if figure in ("tuning", "tuning_perceptron"):
            family = "perceptron" if figure == "tuning_perceptron" else AUTOENCODER
            searched = [
                (e, name)
                for e, name in self.searched
                if e.startswith(family) and e in SEARCHED and name in (*self.trained(family), *BESIDE)
            ]
            with_maps = {e for e, _ in searched if self.experiments[e]["problem"]["name"] == "denoising"}
            reports = [results.search(*run) for run in searched]
            return reports + [results.maps("tuning", experiment) for experiment in sorted(with_maps)]
        first = self.image_files(AUTOENCODER, self.seeds[AUTOENCODER][:1])
        full, trained = self.poster.of_target("full_mnist"), self.poster.executed
        behind = {
            "comparison": [*trained(AUTOENCODER), *first],
            "poster": [*trained("perceptron", AUTOENCODER), *first],
            "perceptron_loss": trained(*PERCEPTRONS),
            "autoencoder_convergence": [
                *trained(AUTOENCODER),
                results.timing(AUTOENCODER),
                results.maps("figures", AUTOENCODER),
            ],
            "autoencoder_samples": [*trained(AUTOENCODER), *first],
            "inside": [*trained(AUTOENCODER), results.maps("figures", AUTOENCODER)],
            "full_mnist": [
                *trained(*full),
                *(path for e in full for path in (results.timing(e), results.maps("figures", e))),
            ],
            "benchmark": [results.benchmark("iterations")],
            "limits": [results.limits],
            "ladder": [results.ladder],
            "search": self.search_files(LEVERS),
            "budget": self.search_files(EVERY_SETTING),
            "answer": [
                *(results.seeds(AUTOENCODER, s, n) for s in SELECTIONS for n in baselines(self.ranges(AUTOENCODER))),
                *(results.seeds(EVERY_SETTING, s, n) for s in SELECTIONS for n in sorted(self.ranges(EVERY_SETTING))),
                *self.search_files(EVERY_SETTING),
                results.maps("claims", AUTOENCODER),
            ],
            "conditioning": [results.conditioning(experiment) for experiment in PERCEPTRONS],
            "ablation": [*(results.ablation(s) for s in SELECTIONS), results.maps("ablation", AUTOENCODER)],
        }
        return behind[figure]

    def results_of_figure(self, wildcards) -> dict:
        searched = {"search": LEVERS, "budget": EVERY_SETTING, "answer": EVERY_SETTING}.get(wildcards.figure)
        optimizers = {searched: sorted(self.ranges(searched))} if searched else None
        return self.results_of("full_mnist" if wildcards.figure == "full_mnist" else None, optimizers)

    def figure_modules(self, wildcards) -> list[str]:
        own = f"report/figures/{FIGURE_MODULES[wildcards.figure]}.py"
        return [*self.modules("report/figures/__init__.py", own), os.path.relpath(STYLE)]

    def behind_table(self, wildcards) -> list[str]:
        """The results that a table is made of."""
        results = self.results
        behind = {
            "runs": self.poster.executed(*self.poster.of_target(None)),
            "claims": [results.claims],
            "timings": [results.claims, *self.timed_claims],
            "references": [*(results.maps("claims", e) for e in self.mapped), *self.reference_files],
            "trained": [file for file in self.claim_files if "/perceptron" in file],
            **{name: [results.limits] for name in ("limits", "limits_active", "limits_where")},
            "conditioning": [results.conditioning(experiment) for experiment in PERCEPTRONS],
            "pixels": self.image_files(AUTOENCODER, self.seeds[AUTOENCODER][:1]),
            "ablation": [results.ablation(selection) for selection in SELECTIONS],
            "ladder": [results.ladder],
            "optimizers": [*self.compared_files, *self.compared_timings],
            **{name: [results.benchmark("goals")] for name in ("goals", "quality", "cost_model", "predictions")},
            **{name: [results.benchmark("iterations")] for name in ("iterations", "setup", "memory")},
            "processes": [results.benchmark("processes")],
            "machine": [results.benchmark("processes"), results.benchmark("iterations")],
            "overhead": [results.benchmark("pipeline")],
            **{name: [results.benchmark("devices")] for name in ("devices", "device_predictions")},
        }
        return behind[wildcards.table]

    def results_of_table(self, wildcards) -> dict:
        tables = {"references": self.shown, "optimizers": [(e, name) for e, _, name in self.compared_runs]}
        optimizers: dict[str, list[str]] = {}
        for experiment, name in dict.fromkeys(tables.get(wildcards.table, ())):
            optimizers.setdefault(experiment, []).append(name)
        return self.results_of(None, optimizers)

    def times_of(self, wildcards) -> list[str]:
        """The files with what the jobs of a target took: Snakemake's, and records."""
        results = self.results
        times = {
            "tune": [results.search(*run) for run in self.searched],
            "claims": sorted({*self.claim_files, *self.reference_files}),
            "ladder": self.rung_files,
            "optimizers": self.compared_files,
            "limits": [
                *self.limits.files,
                *(results.time("limits", f"conditioning-{experiment}") for experiment in PERCEPTRONS),
                *(results.time("limits", f"ablation-{selection}") for selection in SELECTIONS),
            ],
        }
        return times[wildcards.target]

    def figure(self, name: str) -> list[str]:
        """The files of a figure; `name` can be a wildcard."""
        return figures(name, self.figure_folder)

    def figures_of(self, target: str) -> list[str]:
        return [file for name in FIGURES.get(target, []) for file in self.figure(name)]

    def tables_of(self, target: str) -> list[str]:
        return [self.results.table(name) for name in TABLES.get(target, [])]

    # Snakemake's report

    @staticmethod
    def section_of_figure(wildcards) -> str:
        return next(SECTIONS[target] for target, names in FIGURES.items() if wildcards.figure in names)

    @staticmethod
    def section_of_table(wildcards) -> str:
        return next(SECTIONS[target] for target, names in TABLES.items() if wildcards.table in names)

    @staticmethod
    def section_of_times(wildcards) -> str:
        return SECTIONS[wildcards.target]

    @staticmethod
    def caption_of_figure(wildcards) -> str:
        return captions.of_figure(wildcards.figure)

    @staticmethod
    def caption_of_table(wildcards) -> str:
        return captions.of_table(wildcards.table)

    @staticmethod
    def caption_of_times(wildcards) -> str:
        return captions.of_table("time_of")

    # The site

    def runs_to_picture(self, wildcards) -> list[dict]:
        """The parameters of the run of each method of the claims with the first seed."""
        seed = self.seeds[AUTOENCODER][0]
        return plain([asdict(self.parameters(AUTOENCODER, name, seed)) for name in self.compared(AUTOENCODER)])

    def images_to_picture(self, wildcards) -> list[str]:
        return self.image_files(AUTOENCODER, self.seeds[AUTOENCODER][:1])

    def pictures(self, wildcards) -> dict:
        """The arguments rows and count of studies.denoised.denoise. The last iteration is among the rows."""
        last = self.experiments[AUTOENCODER]["iterations"]
        return plain({"rows": [*(row for row in PICTURED_ROWS if row < last), last], "count": PICTURED_IMAGES})

    def keys_of_pictures(self, wildcards) -> list[dict]:
        asked = self.pictures(wildcards) | {"seeds": self.seeds[AUTOENCODER][:1]}
        return [key for run in self.runs_to_picture(wildcards) for key in self.keys("denoised", run, **asked)]

    @property
    def site_sources(self) -> list[str]:
        """What the site is made of: pages, notebooks, tables and records that the repository publishes."""
        patterns = ("README.md", "CHANGELOG.md", "docs/**/*.*", "notebooks/executed/**/*.ipynb")
        patterns += ("data/limits/**/*.json", "data/published/**/*.json", "config/*.yaml")
        return sorted(path for pattern in patterns for path in glob(self.source(pattern), recursive=True))

    def published_figures(self) -> list[list]:
        """The figures of the repository with their times: no input, since as one each would be drawn for the site."""
        paths = sorted(glob(self.source(f"{PUBLISHED_FIGURES}/*.png")))
        return [[path, os.path.getmtime(path)] for path in paths]

    def runs_here(self) -> list[str]:
        """The folders of runs that are computed. The site shows them and asks for no other."""
        return sorted(os.path.dirname(path) for path in glob(f"{self.results.folder}/runs/*/*/*/{RUN_FILES[-1]}"))

    # Wildcards

    @property
    def wildcards(self) -> dict[str, str]:
        """What each wildcard of the rules may be."""
        experiments = "|".join(self.experiments)
        return {
            "experiment": experiments,
            "optimizer": "|".join(sorted(METHODS)),
            "drawn": rf"(({experiments})/)?seed-\d+",
            "selection": "|".join(SELECTIONS),
            "use": "figures|claims|tuning|ablation",
            "setting": "|".join(map(re.escape, self.limits.settings)),
            "added": "(-[a-z0-9-]+)?",
            "compared": "(-compared)?",
            "table": "(?!time_)[a-z_]+",
            "target": "tune|claims|limits|ladder|optimizers",
            "ladder": "|".join(entry["name"] for entry in self.config["ladder"]["experiments"]),
        }
