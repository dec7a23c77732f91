rule run_notebook:
    """One run: a notebook with the parameters of an experiment, an optimizer and a seed."""
    input:
        notebook=plan.notebook_of_run,
        modules=plan.modules_of_run,
        images=plan.images_of_run,
    output:
        run=[f"{files.run('{experiment}', '{optimizer}', '{seed}')}/{file}" for file in RUN_FILES],
        notebook=files.run_notebook("{experiment}", "{optimizer}", "{seed}"),
    log:
        "logs/runs/{experiment}/{optimizer}/seed-{seed}.log",
    threads: config["threads"]
    params:
        parameters=plan.notebook_parameters,
        working_copy="logs/notebooks/{experiment}/{optimizer}/seed-{seed}.ipynb",
    script:
        "../src/replication/scripts/run_notebook.py"


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
