# Every further question: a study is a list of jobs (src/replication/studies/), and a view on their records. A job that
# data/records answers needs no rule here.


rule answer:
    """The record of one job of a study."""
    input:
        receipt=lambda wildcards: plan.receipts(*plan.studies.jobs[wildcards.name].datasets),
        modules=lambda wildcards: plan.modules_of_job(wildcards.name),
    output:
        record="results/records/{name}.jsonl",
    log:
        "logs/answer/{name}.log",
    threads: lambda wildcards: WHOLE_MACHINE if plan.studies.jobs[wildcards.name].alone else config["threads"]
    params:
        job=lambda wildcards: plan.studies.arguments(wildcards.name),
        root=plan.data_root,
        published=plan.studies.published,
    script:
        "../src/replication/scripts/answer.py"


rule collect:
    """The verdicts of a study, from its records."""
    input:
        records=lambda wildcards: plan.files(*plan.behind_verdicts(wildcards.study)),
        modules=lambda wildcards: plan.modules(f"verdicts/{wildcards.study}.py"),
    output:
        verdicts="results/{study}.json",
    log:
        "logs/collect/{study}.log",
    params:
        results=lambda wildcards: plan.named(*plan.behind_verdicts(wildcards.study)),
        settings=lambda wildcards: [config["claims"], config[wildcards.study]],
    script:
        "../src/replication/scripts/collect.py"


rule collect_tuned:
    """The settings that the searches chose."""
    input:
        records=plan.files("tuning/*"),
        modules=plan.modules("verdicts/tuned.py"),
    output:
        tuned="results/tuned.yaml",
    log:
        "logs/collect_tuned.log",
    params:
        results=plan.named("tuning/*"),
    script:
        "../src/replication/scripts/collect_tuned.py"
