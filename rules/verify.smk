SMALLEST = min(PLACES, key=lambda place: images_at(place)["training_images"] * section_at(place)["iterations"])


def published_records(wildcards):
    """Those of the smallest setting; to hold results against themselves would tell nothing."""
    records = [RECORDS_AT[SMALLEST]["runs"][name] for name in COMPARED]
    missing = [record for record in records if record.startswith("results/")]
    if missing:
        raise WorkflowError(
            f"nothing to verify against: {LIMITS['published']} has no record of what {missing[0]} would be"
        )
    return records


rule gather_numbers:
    input:
        runs=files_of(*of_target(None)),
        modules=library("expected.py"),
    output:
        numbers="results/numbers.json",
    log:
        "logs/gather_numbers.log",
    params:
        results=results_for(None),
    shell:
        "{COMMAND} numbers --results {params.results:q} --output {output.numbers} 2>&1 | tee {log}"


rule study_again:
    """A record of the limits anew, whatever is published: of the setting that takes least."""
    input:
        receipt=rules.fetch_mnist.output.receipt,
        modules=library("limits.py"),
    output:
        record="results/again/{optimizer}.json",
    log:
        "logs/study_again/{optimizer}.log",
    threads: config["threads"]
    params:
        asked=lambda wildcards: as_json(study_at(SMALLEST, wildcards.optimizer)),
    shell:
        "{COMMAND} study --asked {params.asked:q} --root {DATA_ROOT} --output {output.record} 2>&1 | tee {log}"


rule verify:
    """The default runs, and records of the limits, against what is in the repository: `make verify`."""
    input:
        numbers=rules.gather_numbers.output.numbers,
        expected=source("tests/expected/default.json"),
        again=expand(rules.study_again.output.record, optimizer=COMPARED),
        records=published_records,
    shell:
        "{COMMAND} verify --numbers {input.numbers} --expected {input.expected}"
        " --again {input.again} --records {input.records}"
