rule gather_numbers:
    """The numbers that the default runs come to."""
    input:
        notebooks=plan.poster.notebooks(*plan.poster.of_target(None)),
        modules=plan.modules("verdicts/verify.py"),
    output:
        numbers="results/numbers.json",
    log:
        "logs/gather_numbers.log",
    params:
        results=plan.named("runs:default"),
    script:
        "../src/replication/scripts/gather_numbers.py"


rule verify:
    """The default runs, and records of the limits computed anew, against what is in the repository: `make verify`."""
    input:
        numbers="results/numbers.json",
        receipt="results/data/mnist.sha256",
        expected=source("tests/expected/default.json"),
    log:
        "logs/verify.log",
    threads: config["threads"]
    params:
        jobs=lambda wildcards: plan.verified(),
        root=plan.data_root,
    script:
        "../src/replication/scripts/verify.py"
