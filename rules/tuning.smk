GRIDS = {experiment: section["tuning"]["grids"] for experiment, section in EXPERIMENTS.items()}
TRIALS = [
    f"results/tuning/{experiment}/{optimizer}/seed-{number}.json"
    for experiment, grids in GRIDS.items()
    for optimizer in grids
    for number in config["tuning_seeds"]
]


def images_to_tune(wildcards):
    return images_of(wildcards.experiment, wildcards.seed)


def base_of_trials(wildcards):
    """Parameters of a run, less the settings that the grid sets, as JSON."""
    experiment, optimizer = wildcards.experiment, wildcards.optimizer
    parameters = configuration.parameters(config, experiment, optimizer, wildcards.seed)
    grid = GRIDS[experiment][optimizer]
    kept = {name: value for name, value in parameters["settings"].items() if name not in grid}
    return as_json(parameters | {"settings": kept})


def grid_of_trials(wildcards):
    return as_json(GRIDS[wildcards.experiment][wildcards.optimizer])


def choice_of_trial(wildcards):
    return EXPERIMENTS[wildcards.experiment]["tuning"]


rule tune_optimizer:
    input:
        images=images_to_tune,
        modules=library("tuning.py"),
    output:
        report="results/tuning/{experiment}/{optimizer}/seed-{seed}.json",
    log:
        "logs/tune_optimizer/{experiment}/{optimizer}/seed-{seed}.log",
    threads: config["threads"]
    params:
        parameters=base_of_trials,
        grid=grid_of_trials,
        choice=choice_of_trial,
        images=lambda wildcards, input: [f"--sample {path}" for path in input.images],
    shell:
        "{COMMAND} tune --parameters {params.parameters:q} --grid {params.grid:q} {params.images}"
        " --select-by {params.choice[select_by]} --statistic {params.choice[statistic]}"
        " --output {output.report} 2>&1 | tee {log}"


rule collect_tuned:
    input:
        reports=TRIALS,
    output:
        tuned="results/tuned.yaml",
    log:
        "logs/collect_tuned.log",
    shell:
        "{COMMAND} tuned --reports {input.reports} --output {output.tuned} 2>&1 | tee {log}"


rule tune:
    """Learning rates from the grid: `snakemake --cores 4 tune`, then `make tuned` takes them over."""
    input:
        rules.collect_tuned.output.tuned,
