from pathlib import Path

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


def images_at(place):
    return configuration.images(config, section_at(place))


def study_at(place, optimizer):
    """What is asked of limits.study."""
    fixed = fixed_at(place, optimizer)
    return {
        "runs": {selection: run_at(place, optimizer, selection) for selection in SELECTIONS},
        "ranges": {key: ends for key, ends in ranges_of("autoencoder")[optimizer].items() if key not in fixed},
        "search": {name: LIMITS[name] for name in ("trials", "shift", "tuning_seed", "seeds", "every")},
        "images": images_at(place),
    }


def bound_at(place):
    """What is asked of limits.bound: what a closed form depends on, and no initial weights."""
    parameters = run_at(place, "sgd", SELECTIONS[0])
    data = {name: parameters[name] for name in ("problem", "dtype")}
    data |= {"network": {"hidden": parameters["network"]["hidden"]}}
    return {"parameters": data, "seeds": LIMITS["seeds"], "images": images_at(place)}


def clock_at(place):
    """What is asked of limits.clock: one run of each optimizer, without what an iteration's time does not depend on."""
    runs = [run_at(place, name, SELECTIONS[0]) for name in COMPARED]
    runs = [{key: value for key, value in run.items() if key != "iterations"} for run in runs]
    return {"runs": runs, "images": images_at(place), "rounds": config["timing"]["rounds"]}


def published():
    """Records of other times, in the repository, by what was asked."""
    if LIMITS["published"] is None:
        return {}
    records = {path: json.loads(path.read_text()) for path in sorted(Path(source(LIMITS["published"])).rglob("*.json"))}
    return {as_json(record["asked"]): str(path) for path, record in records.items()}


# Nothing is computed twice: where the same is asked as at an earlier setting or in a published record, its file is used.
RECORDS = published()


def record_of(asked, place, name):
    return RECORDS.setdefault(as_json(asked), f"results/limits/{place}/{name}.json")


def records_at(place):
    """Where the records of the setting lie."""
    named = {name: PLACES[place][name] for name in ("group", "name")}
    runs = {name: record_of(study_at(place, name), place, name) for name in COMPARED}
    bounds, timing = record_of(bound_at(place), place, "bounds"), record_of(clock_at(place), place, "timing")
    return named | {"runs": runs, "bounds": bounds, "timing": timing}


RECORDS_AT = {place: records_at(place) for place in PLACES}
USED = sorted({file for at in RECORDS_AT.values() for file in (*at["runs"].values(), at["bounds"], at["timing"])})


rule study_setting:
    """One optimizer tuned and run at one setting."""
    input:
        receipt=rules.fetch_mnist.output.receipt,
        modules=library("limits.py"),
    output:
        record="results/limits/{place}/{optimizer}.json",
    log:
        "logs/study_setting/{place}/{optimizer}.log",
    wildcard_constraints:
        place="|".join(map(re.escape, PLACES)),
    threads: config["threads"]
    params:
        asked=lambda wildcards: as_json(study_at(wildcards.place, wildcards.optimizer)),
    shell:
        "{COMMAND} study --asked {params.asked:q} --root {DATA_ROOT} --output {output.record} 2>&1 | tee {log}"


rule bound_setting:
    """The best linear map at one setting."""
    input:
        receipt=rules.fetch_mnist.output.receipt,
        modules=library("limits.py"),
    output:
        record="results/limits/{place}/bounds.json",
    log:
        "logs/bound_setting/{place}.log",
    wildcard_constraints:
        place="|".join(map(re.escape, PLACES)),
    threads: config["threads"]
    params:
        asked=lambda wildcards: as_json(bound_at(wildcards.place)),
    shell:
        "{COMMAND} bound --asked {params.asked:q} --root {DATA_ROOT} --output {output.record} 2>&1 | tee {log}"


rule time_setting:
    """Alone on the machine (it asks for every core), the optimizers in turn at one setting."""
    input:
        receipt=rules.fetch_mnist.output.receipt,
        modules=library("limits.py"),
    output:
        record="results/limits/{place}/timing.json",
    log:
        "logs/time_setting/{place}.log",
    wildcard_constraints:
        place="|".join(map(re.escape, PLACES)),
    threads: WHOLE_MACHINE
    params:
        asked=lambda wildcards: as_json(clock_at(wildcards.place)),
    shell:
        "{COMMAND} clock --asked {params.asked:q} --root {DATA_ROOT} --output {output.record} 2>&1 | tee {log}"


rule collect_limits:
    input:
        records=USED,
        modules=library("limits.py"),
    output:
        limits="results/limits.json",
    log:
        "logs/collect_limits.log",
    params:
        places=as_json(list(RECORDS_AT.values())),
    shell:
        "{COMMAND} limits --places {params.places:q} --output {output.limits} 2>&1 | tee {log}"


CONDITIONING = config["conditioning"]
CONDITIONED = [*CONDITIONING["tuning_seeds"], *CONDITIONING["seeds"]]


rule study_conditioning:
    """A perceptron at every condition number, in one process."""
    input:
        images=lambda wildcards: [path for seed in CONDITIONED for path in images_of(wildcards.experiment, seed)],
        modules=library("conditioning.py"),
    output:
        report="results/conditioning/{experiment}.json",
    log:
        "logs/study_conditioning/{experiment}.log",
    benchmark:
        "results/times/limits/conditioning-{experiment}.tsv"
    threads: config["threads"]
    params:
        runs=lambda wildcards: as_json(
            {
                name: configuration.parameters(config, wildcards.experiment, name, 0)
                for name in OPTIMIZERS[wildcards.experiment]
            }
        ),
        ranges=lambda wildcards: as_json(ranges_of(wildcards.experiment)),
        search=as_json(CONDITIONING),
        samples=lambda wildcards: images_by_seed(wildcards.experiment, CONDITIONED),
    shell:
        "{COMMAND} conditioning --runs {params.runs:q} --ranges {params.ranges:q} --search {params.search:q}"
        " --samples {params.samples:q} --output {output.report} 2>&1 | tee {log}"


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
        conditioning=expand(rules.study_conditioning.output.report, experiment=PERCEPTRONS),
        ablation=FIGURES["ablation"],
        images=images_of("autoencoder", LIMITS["seeds"][0]),
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
        expand(
            "results/tables/{table}.csv",
            table=["limits", "limits_active", "limits_where", "conditioning", "pixels", "ablation", "time_limits"],
        ),
