rule measure_iterations:
    """An iteration of each optimizer by size, and memory, alone on the machine."""
    input:
        modules=plan.modules("speed/iterations.py"),
    output:
        report="results/benchmark/iterations.json",
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
        report="results/benchmark/processes.json",
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
        receipt="results/data/mnist.sha256",
        modules=plan.modules("speed/pipeline.py"),
    output:
        report="results/benchmark/pipeline.json",
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
        results=plan.files(*plan.behind_goals),
        modules=plan.modules("speed/goals.py"),
    output:
        goals="results/benchmark/goals.json",
    log:
        "logs/judge_goals.log",
    params:
        results=plan.named(*plan.behind_goals),
    script:
        "../src/replication/scripts/judge_goals.py"


rule collect_devices:
    """What was timed on devices of other machines."""
    input:
        devices=plan.devices,
        modules=plan.modules("speed/devices.py"),
    output:
        report="results/benchmark/devices.json",
    log:
        "logs/collect_devices.log",
    script:
        "../src/replication/scripts/collect_devices.py"
