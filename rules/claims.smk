rule train_seeds:
    """Every seed of the claims with one optimizer, in one process."""
    input:
        images=plan.images_to_judge,
        modules=plan.modules("studies/seeds.py"),
        published=plan.published_seeds,
    output:
        runs=files.seeds("{experiment}", "{selection}", "{optimizer}"),
    log:
        "logs/train_seeds/{experiment}/{selection}/{optimizer}.log",
    threads: config["threads"]
    params:
        run=plan.run_to_judge,
        samples=plan.samples_to_judge,
        every=plan.every_to_judge,
        with_ssim=plan.ssim_to_judge,
        known_by=plan.keys_of_seeds,
    script:
        "../src/replication/scripts/train_seeds.py"


rule judge_claims:
    """A verdict on every test of every claim."""
    input:
        runs=plan.claim_files,
        timing=plan.timed_claims,
        searches=plan.searched_claims,
        modules=plan.modules("verdicts/claims.py"),
    output:
        claims=files.claims,
    log:
        "logs/judge_claims.log",
    params:
        settings=config["claims"],
        optimizers=plan.optimizers,
    script:
        "../src/replication/scripts/judge_claims.py"
