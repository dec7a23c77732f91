LIMITS = config["limits"]
PLACES = {re.sub("[^a-z0-9.]+", "-", f"{s['group']} {s['name']}".lower()): s for s in LIMITS["settings"]}


def section_at(place):
    return configuration.merge(EXPERIMENTS["autoencoder"], PLACES[place]["over"])


def runs_at(wildcards):
    """Parameters of a run of each optimizer by either selection, as JSON."""
    there = config | {"experiments": {"autoencoder": section_at(wildcards.place)}}
    runs = {
        column: {name: configuration.parameters(there, "autoencoder", name, 0, column) for name in COMPARED}
        for column in SELECTIONS
    }
    return as_json(runs)


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
    wildcard_constraints:
        place="|".join(map(re.escape, PLACES)),
    threads: config["threads"]
    params:
        runs=runs_at,
        ranges=as_json({name: ranges_of("autoencoder")[name] for name in COMPARED}),
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


rule tell_limits:
    """The limits as a short paper."""
    input:
        limits=rules.collect_limits.output.limits,
        conditioning=rules.study_conditioning.output.report,
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
        expand("figures/{figure}.{format}", figure=["limits", "conditioning"], format=["pdf", "png"]),
