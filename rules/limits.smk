rule study_setting:
    """One optimizer tuned and run at one setting."""
    input:
        receipt=files.receipt,
        modules=plan.modules("studies/limits.py"),
    output:
        record=files.limit("{setting}", "{optimizer}"),
    log:
        "logs/study_setting/{setting}/{optimizer}.log",
    threads: config["threads"]
    params:
        root=plan.data_root,
        study=plan.study_to_answer,
    script:
        "../src/replication/scripts/study_setting.py"


rule map_setting:
    """The reference maps at one setting."""
    input:
        receipt=files.receipt,
        modules=plan.modules("studies/limits.py"),
    output:
        record=files.limit("{setting}", "maps"),
    log:
        "logs/map_setting/{setting}.log",
    threads: config["threads"]
    params:
        root=plan.data_root,
        maps=plan.maps_to_answer,
    script:
        "../src/replication/scripts/map_setting.py"


rule time_setting:
    """The methods in turn at one setting, alone on the machine."""
    input:
        receipt=files.receipt,
        modules=plan.modules("studies/limits.py"),
    output:
        record=files.limit("{setting}", "timing{added}"),
    log:
        "logs/time_setting/{setting}{added}.log",
    threads: WHOLE_MACHINE
    params:
        root=plan.data_root,
        timing=plan.timing_to_answer,
    script:
        "../src/replication/scripts/time_setting.py"


rule collect_limits:
    """The verdicts of every setting."""
    input:
        records=plan.limits.files,
        modules=plan.modules("verdicts/limits.py"),
    output:
        limits=files.limits,
    log:
        "logs/collect_limits.log",
    params:
        settings=plan.collected_settings,
        margins=config["claims"]["margins"],
    script:
        "../src/replication/scripts/collect_limits.py"


rule study_conditioning:
    """A perceptron at every condition number, in one process."""
    input:
        images=plan.images_to_condition,
        modules=plan.modules("studies/conditioning.py"),
    output:
        report=files.conditioning("{experiment}"),
    log:
        "logs/study_conditioning/{experiment}.log",
    benchmark:
        files.time("limits", "conditioning-{experiment}")
    threads: config["threads"]
    params:
        runs=plan.runs_to_condition,
        ranges=plan.ranges_to_condition,
        numbers=plan.conditioning,
        samples=plan.samples_to_condition,
    script:
        "../src/replication/scripts/study_conditioning.py"


rule study_ablation:
    """Both weight steps of BADMM with each other's settings, in one process."""
    input:
        images=plan.images_to_ablate,
        modules=plan.modules("studies/ablation.py"),
    output:
        report=files.ablation("{selection}"),
    log:
        "logs/study_ablation/{selection}.log",
    benchmark:
        files.time("limits", "ablation-{selection}")
    threads: config["threads"]
    params:
        runs=plan.runs_to_ablate,
        samples=lambda wildcards: plan.samples_to_ablate,
    script:
        "../src/replication/scripts/study_ablation.py"
