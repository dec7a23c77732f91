rule tune_optimizer:
    """Every trial of one optimizer, with every seed of the search, in one process."""
    input:
        images=plan.images_to_search,
        modules=plan.modules("search.py"),
        published=plan.published_search,
    output:
        report=files.search("{experiment}", "{optimizer}"),
    log:
        "logs/tune_optimizer/{experiment}/{optimizer}.log",
    threads: config["threads"]
    params:
        run=plan.run_to_search,
        search=plan.search,
        samples=plan.samples_to_search,
        known_by=plan.keys_of_search,
    script:
        "../src/replication/scripts/tune_optimizer.py"


rule collect_tuned:
    """The chosen settings."""
    input:
        reports=[files.search(*run) for run in plan.searched],
        modules=plan.modules("search.py"),
    output:
        tuned=files.tuned,
    log:
        "logs/collect_tuned.log",
    params:
        select_by=plan.select_by,
    script:
        "../src/replication/scripts/collect_tuned.py"
