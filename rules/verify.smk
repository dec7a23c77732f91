rule gather_numbers:
    """The numbers that the default runs come to."""
    input:
        runs=poster.executed(*poster.of_target(None)),
        modules=plan.modules("verdicts/verify.py"),
    output:
        numbers=files.numbers,
    log:
        "logs/gather_numbers.log",
    params:
        results=plan.results_of(None),
    script:
        "../src/replication/scripts/gather_numbers.py"


rule study_again:
    """A record of the limits anew, whatever is published: of the setting that takes least."""
    input:
        receipt=files.receipt,
        modules=plan.modules("studies/limits.py"),
    output:
        record=files.again("{optimizer}"),
    log:
        "logs/study_again/{optimizer}.log",
    threads: config["threads"]
    params:
        root=plan.data_root,
        study=plan.study_again,
    script:
        "../src/replication/scripts/study_setting.py"


rule verify:
    """The default runs, and records of the limits, against what is in the repository: `make verify`."""
    input:
        numbers=files.numbers,
        expected=source("tests/expected/default.json"),
        again=[files.again(name) for name in plan.limits.methods],
        records=lambda wildcards: plan.published_again,
    log:
        "logs/verify.log",
    script:
        "../src/replication/scripts/verify.py"
