def images_to_time(wildcards):
    return images_of(wildcards.experiment, SEEDS[wildcards.experiment][0])


def runs_to_time(wildcards):
    """Parameters of one run of each optimizer, as JSON."""
    experiment, seed = wildcards.experiment, SEEDS[wildcards.experiment][0]
    runs = [configuration.parameters(config, experiment, name, seed) for name in OPTIMIZERS[experiment]]
    return as_json(runs)


rule time_iterations:
    """Alone on the machine (it asks for every core), the optimizers in turn."""
    input:
        images=images_to_time,
        modules=library("timing.py"),
    output:
        report="results/timing/{experiment}.json",
    log:
        "logs/time_iterations/{experiment}.log",
    threads: WHOLE_MACHINE
    params:
        runs=runs_to_time,
        rounds=config["timing"]["rounds"],
        images=lambda wildcards, input: [f"--sample {path}" for path in input.images],
    shell:
        "{COMMAND} time --runs {params.runs:q} {params.images} --rounds {params.rounds}"
        " --output {output.report} 2>&1 | tee {log}"
