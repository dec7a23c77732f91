LIMITS = config["limits"]
PLACES = {re.sub("[^a-z0-9.]+", "-", f"{s['group']} {s['name']}".lower()): s for s in LIMITS["settings"]}
if len(PLACES) < len(LIMITS["settings"]):
    raise WorkflowError("limits.settings: two settings have the same group and name")


def section_at(place):
    return configuration.merge(EXPERIMENTS["autoencoder"], PLACES[place]["over"])


def fixed_at(place, optimizer):
    """The settings of an optimizer that are what is moved there: the search has no say in them."""
    return PLACES[place]["over"].get("optimizers", {}).get(optimizer, {})


def run_at(place, optimizer, selection):
    there = config | {"experiments": {"autoencoder": section_at(place)}}
    parameters = configuration.parameters(there, "autoencoder", optimizer, 0, selection)
    return parameters | {"settings": parameters["settings"] | fixed_at(place, optimizer)}


def runs_at(place, optimizer):
    """Parameters of a run by either selection, as JSON."""
    return as_json({selection: run_at(place, optimizer, selection) for selection in SELECTIONS})


def ranges_at(place, optimizer):
    fixed = fixed_at(place, optimizer)
    return as_json({key: ends for key, ends in ranges_of("autoencoder")[optimizer].items() if key not in fixed})


def data_at(place):
    """Parameters of a run without an optimizer, as JSON: what a closed form depends on, and no initial weights."""
    parameters = run_at(place, "sgd", SELECTIONS[0])
    data = {name: parameters[name] for name in ("problem", "dtype")}
    return as_json(data | {"network": {"hidden": parameters["network"]["hidden"]}})


def images_at(place):
    return as_json(configuration.images(config, section_at(place)))


def runs_to_clock(place):
    """Parameters of one run of each optimizer, as JSON, without what an iteration's time does not depend on."""
    runs = [run_at(place, name, SELECTIONS[0]) for name in COMPARED]
    return as_json([{key: value for key, value in run.items() if key != "iterations"} for run in runs])


# Nothing is computed twice: where what is moved is nothing to an optimizer, its file is that of the first such setting.
FILES_AT = {"optimizers": {}, "bounds": {}, "timing": {}}
for place in PLACES:
    for name in COMPARED:
        asked = (name, runs_at(place, name), ranges_at(place, name), images_at(place))
        FILES_AT["optimizers"].setdefault(asked, f"results/limits/{place}/{name}.json")
    FILES_AT["bounds"].setdefault((data_at(place), images_at(place)), f"results/limits/{place}/bounds.json")
    FILES_AT["timing"].setdefault((runs_to_clock(place), images_at(place)), f"results/limits/{place}/timing.json")


def files_at(place):
    """Where the results for the setting lie."""
    asked = {name: (name, runs_at(place, name), ranges_at(place, name), images_at(place)) for name in COMPARED}
    runs = {name: FILES_AT["optimizers"][key] for name, key in asked.items()}
    bounds = FILES_AT["bounds"][data_at(place), images_at(place)]
    timing = FILES_AT["timing"][runs_to_clock(place), images_at(place)]
    named = {name: PLACES[place][name] for name in ("group", "name")}
    return named | {"runs": runs, "bounds": bounds, "timing": timing}


STUDIED = list(FILES_AT["optimizers"].values())


rule study_setting:
    """One optimizer tuned and run at one setting."""
    input:
        receipt=rules.fetch_mnist.output.receipt,
        modules=library("limits.py"),
    output:
        report="results/limits/{place}/{optimizer}.json",
    log:
        "logs/study_setting/{place}/{optimizer}.log",
    benchmark:
        "results/times/limits/{place}/{optimizer}.tsv"
    wildcard_constraints:
        place="|".join(map(re.escape, PLACES)),
    threads: config["threads"]
    params:
        runs=lambda wildcards: runs_at(wildcards.place, wildcards.optimizer),
        ranges=lambda wildcards: ranges_at(wildcards.place, wildcards.optimizer),
        search=as_json({name: LIMITS[name] for name in ("trials", "shift", "tuning_seed", "seeds", "every")}),
        images=lambda wildcards: images_at(wildcards.place),
    shell:
        "{COMMAND} study --runs {params.runs:q} --ranges {params.ranges:q} --search {params.search:q}"
        " --images {params.images:q} --root {DATA_ROOT} --output {output.report} 2>&1 | tee {log}"


rule bound_setting:
    """The best linear map at one setting."""
    input:
        receipt=rules.fetch_mnist.output.receipt,
        modules=library("limits.py"),
    output:
        bounds="results/limits/{place}/bounds.json",
    log:
        "logs/bound_setting/{place}.log",
    wildcard_constraints:
        place="|".join(map(re.escape, PLACES)),
    threads: config["threads"]
    params:
        parameters=lambda wildcards: data_at(wildcards.place),
        seeds=LIMITS["seeds"],
        images=lambda wildcards: images_at(wildcards.place),
    shell:
        "{COMMAND} bound --parameters {params.parameters:q} --seeds {params.seeds} --images {params.images:q}"
        " --root {DATA_ROOT} --output {output.bounds} 2>&1 | tee {log}"


rule time_setting:
    """Alone on the machine (it asks for every core), the optimizers in turn at one setting."""
    input:
        receipt=rules.fetch_mnist.output.receipt,
        modules=library("limits.py"),
    output:
        report="results/limits/{place}/timing.json",
    log:
        "logs/time_setting/{place}.log",
    wildcard_constraints:
        place="|".join(map(re.escape, PLACES)),
    threads: workflow.cores
    params:
        runs=lambda wildcards: runs_to_clock(wildcards.place),
        rounds=config["timing"]["rounds"],
        images=lambda wildcards: images_at(wildcards.place),
    shell:
        "{COMMAND} clock --runs {params.runs:q} --images {params.images:q} --root {DATA_ROOT} --rounds {params.rounds}"
        " --output {output.report} 2>&1 | tee {log}"


rule collect_limits:
    input:
        runs=STUDIED,
        bounds=list(FILES_AT["bounds"].values()),
        timing=list(FILES_AT["timing"].values()),
        modules=library("limits.py"),
    output:
        limits="results/limits.json",
    log:
        "logs/collect_limits.log",
    params:
        places=as_json([files_at(place) for place in PLACES]),
    shell:
        "{COMMAND} limits --places {params.places:q} --output {output.limits} 2>&1 | tee {log}"


rule study_conditioning:
    """The noisy teacher at every condition number, in one process."""
    input:
        modules=library("conditioning.py"),
    output:
        report="results/conditioning.json",
    log:
        "logs/study_conditioning.log",
    benchmark:
        "results/times/limits/conditioning.tsv"
    threads: config["threads"]
    params:
        runs=as_json(
            {
                name: configuration.parameters(config, "perceptron-teacher", name, 0)
                for name in OPTIMIZERS["perceptron-teacher"]
            }
        ),
        ranges=as_json(ranges_of("perceptron-teacher")),
        search=as_json(config["conditioning"]),
    shell:
        "{COMMAND} conditioning --runs {params.runs:q} --ranges {params.ranges:q} --search {params.search:q}"
        " --output {output.report} 2>&1 | tee {log}"


rule study_ablation:
    """Both readings with each other's settings, in one process."""
    input:
        images=[path for seed in LIMITS["seeds"] for path in images_of("autoencoder", seed)],
        modules=library("ablation.py"),
    output:
        report="results/ablation/{selection}.json",
    log:
        "logs/study_ablation/{selection}.log",
    benchmark:
        "results/times/limits/ablation-{selection}.tsv"
    wildcard_constraints:
        selection="|".join(SELECTIONS),
    threads: config["threads"]
    params:
        runs=lambda wildcards: as_json(
            {
                name: configuration.parameters(config, "autoencoder", name, 0, wildcards.selection)
                for name in configuration.READINGS
            }
        ),
        samples=images_by_seed("autoencoder", LIMITS["seeds"]),
    shell:
        "{COMMAND} ablate --runs {params.runs:q} --samples {params.samples:q} --output {output.report} 2>&1 | tee {log}"


rule tell_limits:
    """The limits as a short paper."""
    input:
        limits=rules.collect_limits.output.limits,
        conditioning=rules.study_conditioning.output.report,
        ablation=expand(rules.study_ablation.output.report, selection=SELECTIONS),
        notebook=source("notebooks/limits.ipynb"),
        modules=library(source("notebooks/limits.ipynb")),
    output:
        notebook="results/notebooks/limits.ipynb",
    log:
        "logs/tell_limits.log",
    params:
        parameters=as_json({"folder": "results"}),
    shell:
        "{COMMAND} notebook --notebook {input.notebook} --parameters {params.parameters:q}"
        " --working-copy logs/notebooks/limits.ipynb --output {output.notebook} 2>&1 | tee {log}"


rule limits:
    """Where the claims stop holding: `snakemake --cores 4 limits`, which can be stopped and goes on where it was."""
    input:
        rules.collect_limits.output.limits,
        rules.tell_limits.output.notebook,
        expand("figures/{figure}.{format}", figure=["limits", "conditioning", "ablation"], format=["pdf", "png"]),
        "results/times/limits_time.md",
