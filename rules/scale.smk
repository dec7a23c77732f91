rule full_mnist:
    """The autoencoder on all of MNIST: `snakemake --cores 2 full_mnist`."""
    input:
        runs=files_of(*of_target("full_mnist")),
        notebooks=notebooks_of(*of_target("full_mnist")),
        figure=expand("figures/full_mnist.{format}", format=["pdf", "png"]),


rule measure_speed:
    """Alone on the machine (it asks for every core)."""
    input:
        modules=library("benchmark.py"),
    output:
        measurements="results/benchmark/measurements.json",
    log:
        "logs/measure_speed.log",
    threads: WHOLE_MACHINE
    params:
        settings=as_json(config["benchmark"]),
        device=config["device"],
    shell:
        "{COMMAND} measure --settings {params.settings:q} --device {params.device}"
        " --output {output.measurements} 2>&1 | tee {log}"


rule measure_scaling:
    """Two processes of one thread each, alone on the machine."""
    input:
        modules=library("scaling.py"),
    output:
        report="results/benchmark/scaling.json",
    log:
        "logs/measure_scaling.log",
    threads: WHOLE_MACHINE
    params:
        settings=as_json(config["benchmark"]),
    shell:
        "{COMMAND} scale --settings {params.settings:q} --output {output.report} 2>&1 | tee {log}"


rule measure_overhead:
    """The default target anew in a folder of its own, alone on the machine."""
    input:
        receipt=rules.fetch_mnist.output.receipt,
        modules=library("overhead.py"),
    output:
        report="results/benchmark/overhead.json",
    log:
        "logs/measure_overhead.log",
    threads: WHOLE_MACHINE
    params:
        snakefile=source("Snakefile"),
        config=as_json(config),
    shell:
        "{COMMAND} overhead --snakefile {params.snakefile} --config {params.config:q}"
        " --output {output.report} 2>&1 | tee {log}"


rule summarise_benchmark:
    input:
        measurements=rules.measure_speed.output.measurements,
        scaling=rules.measure_scaling.output.report,
        overhead=rules.measure_overhead.output.report,
        timing="results/timing/autoencoder.json",
        runs=files_of("autoencoder"),
        modules=library("goals.py"),
    output:
        summary="results/benchmark/summary.json",
    log:
        "logs/summarise_benchmark.log",
    params:
        results=results_for(None),
    shell:
        "{COMMAND} summarise --folder results/benchmark --results {params.results:q}"
        " --output {output.summary} 2>&1 | tee {log}"


rule benchmark:
    """Speed and size against their goals: `make benchmark`."""
    input:
        expand("figures/benchmark.{format}", format=["pdf", "png"]),
        expand(
            "results/tables/{table}.csv",
            table=[
                "goals",
                "quality",
                "cost_model",
                "predictions",
                "iterations",
                "memory",
                "processes",
                "machine",
                "overhead",
            ],
        ),
