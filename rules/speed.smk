rule measure_iterations:
    """An iteration of each optimizer by size, and memory, alone on the machine."""
    input:
        modules=plan.modules("speed/iterations.py"),
    output:
        report=files.benchmark("iterations"),
    log:
        "logs/measure_iterations.log",
    threads: WHOLE_MACHINE
    params:
        settings=config["benchmark"],
        device=config["device"],
    script:
        "../src/replication/scripts/measure_iterations.py"


rule measure_processes:
    """Two processes of one thread each, alone on the machine."""
    input:
        modules=plan.modules("speed/processes.py"),
    output:
        report=files.benchmark("processes"),
    log:
        "logs/measure_processes.log",
    threads: WHOLE_MACHINE
    params:
        settings=config["benchmark"],
    script:
        "../src/replication/scripts/measure_processes.py"


rule measure_pipeline:
    """The default target anew in a folder of its own, alone on the machine."""
    input:
        receipt=files.receipt,
        modules=plan.modules("speed/pipeline.py"),
    output:
        report=files.benchmark("pipeline"),
    log:
        "logs/measure_pipeline.log",
    threads: WHOLE_MACHINE
    params:
        snakefile=source("Snakefile"),
        config=config,
    script:
        "../src/replication/scripts/measure_pipeline.py"


rule judge_goals:
    """Speed and size against their goals."""
    input:
        iterations=files.benchmark("iterations"),
        processes=files.benchmark("processes"),
        pipeline=files.benchmark("pipeline"),
        timing=files.timing("autoencoder"),
        runs=poster.executed("autoencoder"),
        modules=plan.modules("speed/goals.py"),
    output:
        goals=files.benchmark("goals"),
    log:
        "logs/judge_goals.log",
    params:
        results=plan.results_of(None),
    script:
        "../src/replication/scripts/judge_goals.py"


rule collect_devices:
    """What was timed on devices of other machines."""
    input:
        devices=plan.devices,
        modules=plan.modules("speed/devices.py"),
    output:
        report=files.benchmark("devices"),
    log:
        "logs/collect_devices.log",
    script:
        "../src/replication/scripts/collect_devices.py"
