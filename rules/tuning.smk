def ranges_of(experiment):
    return EXPERIMENTS[experiment]["tuning"]["ranges"]


def images_by_seed(experiment, seeds):
    """The file of each seed's images, as JSON; null for experiments without."""
    return as_json({seed: next(iter(images_of(experiment, seed)), None) for seed in seeds})


def seeds_to_tune(wildcards):
    return EXPERIMENTS[wildcards.experiment]["tuning"]["seeds"]


def images_to_tune(wildcards):
    return [path for seed in seeds_to_tune(wildcards) for path in images_of(wildcards.experiment, seed)]


def base_of_trials(wildcards):
    """Parameters of a run, less the settings that are searched, as JSON."""
    experiment, optimizer = wildcards.experiment, wildcards.optimizer
    parameters = configuration.parameters(config, experiment, optimizer, seeds_to_tune(wildcards)[0])
    ranges = ranges_of(experiment)[optimizer]
    kept = {name: value for name, value in parameters["settings"].items() if name not in ranges}
    return as_json(parameters | {"settings": kept})


def search_of_trials(wildcards):
    tuning = EXPERIMENTS[wildcards.experiment]["tuning"]
    search = {name: tuning[name] for name in ("trials", "finalists", "statistic")}
    return as_json(search | {"ranges": tuning["ranges"][wildcards.optimizer]})


rule tune_optimizer:
    """Every trial of one optimizer, with every seed of the search, in one process."""
    input:
        images=images_to_tune,
        modules=library("tuning.py"),
    output:
        report="results/tuning/{experiment}/{optimizer}.json",
    log:
        "logs/tune_optimizer/{experiment}/{optimizer}.log",
    benchmark:
        "results/times/tune/{experiment}/{optimizer}.tsv"
    threads: config["threads"]
    params:
        parameters=base_of_trials,
        search=search_of_trials,
        samples=lambda wildcards: images_by_seed(wildcards.experiment, seeds_to_tune(wildcards)),
    shell:
        "{COMMAND} tune --parameters {params.parameters:q} --search {params.search:q}"
        " --samples {params.samples:q} --output {output.report} 2>&1 | tee {log}"


TUNED = [f"{experiment}/{optimizer}" for experiment in EXPERIMENTS for optimizer in ranges_of(experiment)]


rule collect_tuned:
    input:
        reports=expand("results/tuning/{run}.json", run=TUNED),
        modules=library("tuning.py"),
    output:
        tuned="results/tuned.yaml",
    log:
        "logs/collect_tuned.log",
    params:
        select_by=as_json({name: section["tuning"]["select_by"] for name, section in EXPERIMENTS.items()}),
    shell:
        "{COMMAND} tuned --reports {input.reports} --select-by {params.select_by:q}"
        " --output {output.tuned} 2>&1 | tee {log}"


rule tune:
    """Settings from the search: `snakemake --cores 4 tune`, then `make tuned` takes them over."""
    input:
        rules.collect_tuned.output.tuned,
        expand("figures/{figure}.{format}", figure=["tuning", "tuning_perceptron"], format=["pdf", "png"]),
        "results/tables/time_tune.csv",
