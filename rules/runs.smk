from nonsmooth import kernels


onstart:
    if workflow.local_exec and not (workflow.remote_exec or workflow.subprocess_exec):
        kernels.start("logs/kernels.log")


def notebook_of(wildcards):
    return source(f"notebooks/{EXPERIMENTS[wildcards.experiment]['notebook']}.ipynb")


def images_of_run(wildcards):
    return images_of(wildcards.experiment, wildcards.seed)


def library_of_run(wildcards):
    return library(notebook_of(wildcards))


def parameters_of_run(wildcards):
    """The notebook's parameters, as JSON."""
    parameters = configuration.parameters(config, wildcards.experiment, wildcards.optimizer, wildcards.seed)
    parameters["sample_file"] = next(iter(images_of_run(wildcards)), None)
    parameters["run_folder"] = f"results/runs/{wildcards.experiment}/{wildcards.optimizer}/seed-{wildcards.seed}"
    return as_json(parameters)


rule run_notebook:
    input:
        notebook=notebook_of,
        images=images_of_run,
        modules=library_of_run,
    output:
        history="results/runs/{experiment}/{optimizer}/seed-{seed}/history.parquet",
        weights="results/runs/{experiment}/{optimizer}/seed-{seed}/weights.safetensors",
        record="results/runs/{experiment}/{optimizer}/seed-{seed}/run.json",
        notebook="results/notebooks/{experiment}/{optimizer}/seed-{seed}.ipynb",
    log:
        "logs/runs/{experiment}/{optimizer}/seed-{seed}.log",
    threads: config["threads"]
    params:
        parameters=parameters_of_run,
        working_copy="logs/notebooks/{experiment}/{optimizer}/seed-{seed}.ipynb",
    shell:
        "{COMMAND} notebook --notebook {input.notebook} --parameters {params.parameters:q}"
        " --working-copy {params.working_copy} --output {output.notebook} 2>&1 | tee {log}"
