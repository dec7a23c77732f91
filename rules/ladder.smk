rule climb_ladder:
    """One method of the ladder, tuned and run with every seed, in one process."""
    input:
        images=plan.images_to_climb,
        modules=plan.modules("studies/ladder.py"),
        published=plan.published_rung,
    output:
        runs=files.rung("{ladder}", "{optimizer}"),
    log:
        "logs/climb_ladder/{ladder}/{optimizer}.log",
    threads: config["threads"]
    params:
        run=plan.run_to_climb,
        search=plan.search_to_climb,
        rows=config["ladder"]["rows"],
        samples=plan.samples_to_climb,
        known_by=plan.keys_of_rung,
    script:
        "../src/replication/scripts/climb_ladder.py"


rule collect_ladder:
    """Every run of the ladder in one file."""
    input:
        runs=plan.files_of_ladder,
    output:
        ladder=files.ladder,
    log:
        "logs/collect_ladder.log",
    params:
        rungs=plan.rows_of_ladder,
        rows=config["ladder"]["rows"],
        seeds=config["ladder"]["seeds"],
    script:
        "../src/replication/scripts/collect_ladder.py"
