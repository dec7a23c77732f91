rule time_iterations:
    """The optimizers of an experiment in turn, alone on the machine."""
    input:
        images=plan.image_to_time,
        modules=plan.modules("speed/clock.py"),
    output:
        report=files.timing("{experiment}", "{compared}"),
    log:
        "logs/time_iterations/{experiment}{compared}.log",
    threads: WHOLE_MACHINE
    params:
        runs=plan.runs_to_time,
        rounds=config["timing"]["rounds"],
    script:
        "../src/replication/scripts/time_iterations.py"


rule measure_maps:
    """The noisy input, the mean image and the best linear map."""
    input:
        images=plan.images_to_map,
        modules=plan.modules("studies/maps.py"),
    output:
        maps=files.maps("{use}", "{experiment}"),
    log:
        "logs/measure_maps/{use}/{experiment}.log",
    threads: config["threads"]
    params:
        run=plan.run_to_map,
        samples=plan.samples_to_map,
        with_ssim=lambda wildcards: wildcards.use == "claims",
    script:
        "../src/replication/scripts/measure_maps.py"
