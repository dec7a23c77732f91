LIMITS = config["limits"]
PLACES = {re.sub("[^a-z0-9.]+", "-", f"{s['group']} {s['name']}".lower()): s for s in LIMITS["settings"]}


def section_at(place):
    return configuration.merge(EXPERIMENTS["autoencoder"], PLACES[place]["over"])


def fixed_at(place, optimizer):
    """The settings of an optimizer that are what is moved there: the search has no say in them."""
    return PLACES[place]["over"].get("optimizers", {}).get(optimizer, {})


def run_at(place, optimizer, selection):
    there = config | {"experiments": {"autoencoder": section_at(place)}}
    parameters = configuration.parameters(there, "autoencoder", optimizer, 0, selection)
    return parameters | {"settings": parameters["settings"] | fixed_at(place, optimizer)}


def runs_at(wildcards):
    """Parameters of a run of each optimizer by either selection, as JSON."""
    return as_json({c: {name: run_at(wildcards.place, name, c) for name in COMPARED} for c in SELECTIONS})


def ranges_at(wildcards):
    ranges = {}
    for name in COMPARED:
        fixed = fixed_at(wildcards.place, name)
        ranges[name] = {key: ends for key, ends in ranges_of("autoencoder")[name].items() if key not in fixed}
    return as_json(ranges)


def images_at(wildcards):
    return as_json(configuration.images(config | {"experiments": {"at": section_at(wildcards.place)}}, "at"))


def search_at(wildcards):
    setting = {name: PLACES[wildcards.place][name] for name in ("group", "name")}
    search = {name: LIMITS[name] for name in ("trials", "tuning_seed", "seeds", "every")}
    return as_json(search | {"setting": setting})


rule study_setting:
    """Every optimizer tuned and run at one setting, in one process."""
    input:
        receipt=rules.fetch_mnist.output.receipt,
        modules=library("limits.py"),
    output:
        report="results/limits/{place}.json",
    log:
        "logs/study_setting/{place}.log",
    benchmark:
        "results/times/limits/{place}.tsv"
    wildcard_constraints:
        place="|".join(map(re.escape, PLACES)),
    threads: config["threads"]
    params:
        runs=runs_at,
        ranges=ranges_at,
        search=search_at,
        images=images_at,
    shell:
        "{COMMAND} study --runs {params.runs:q} --ranges {params.ranges:q} --search {params.search:q}"
        " --images {params.images:q} --root {DATA_ROOT} --output {output.report} 2>&1 | tee {log}"


rule collect_limits:
    input:
        reports=expand("results/limits/{place}.json", place=PLACES),
        modules=library("limits.py"),
    output:
        limits="results/limits.json",
    log:
        "logs/collect_limits.log",
    shell:
        "{COMMAND} limits --reports {input.reports} --output {output.limits} 2>&1 | tee {log}"


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
        images=[path for seed in SEEDS["autoencoder"] for path in images_of("autoencoder", seed)],
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
        samples=images_by_seed("autoencoder", SEEDS["autoencoder"]),
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
