# The poster's way: MNIST -> the images of each seed -> a notebook for each experiment and optimizer -> its figures, which
# report.smk draws.


rule fetch_images:
    """The files of MNIST, or of Fashion-MNIST, verified by SHA-256."""
    input:
        sums=f"{plan.data_root}/SHA256SUMS",
        modules=plan.modules("data/mnist.py"),
    output:
        receipt="results/data/{dataset}.sha256",
    log:
        "logs/fetch_images/{dataset}.log",
    wildcard_constraints:
        dataset="|".join(DATASETS),
    params:
        root=plan.data_root,
    script:
        "../src/replication/scripts/fetch_images.py"


rule draw_images:
    """The images of a seed: 1,000 to train on, as the poster has it."""
    input:
        receipt=lambda wildcards: plan.receipts(plan.poster.dataset(wildcards.drawn)),
        modules=plan.modules("data/mnist.py"),
    output:
        images="results/data/{drawn}.safetensors",
    log:
        "logs/draw_images/{drawn}.log",
    params:
        root=plan.data_root,
        drawn=lambda wildcards: plan.poster.drawn(wildcards.drawn),
    script:
        "../src/replication/scripts/draw_images.py"


rule run_notebook:
    """Every seed of one optimizer on one experiment, in a notebook.

    It writes a folder for each run, results/runs/EXPERIMENT/OPTIMIZER/seed-N. These are no outputs of the rule, since
    Snakemake would remove them before it trains one more seed: the notebook reads what is there and still right.
    """
    input:
        notebook=lambda wildcards: plan.notebook(wildcards.experiment),
        modules=lambda wildcards: plan.modules_of_notebook(wildcards.experiment, wildcards.optimizer),
        images=lambda wildcards: plan.poster.image_files(wildcards.experiment),
    output:
        notebook="results/notebooks/{experiment}/{optimizer}.ipynb",
    log:
        "logs/run_notebook/{experiment}/{optimizer}.log",
    threads: config["threads"]
    params:
        parameters=lambda wildcards: plan.poster.notebook_parameters(wildcards.experiment, wildcards.optimizer),
        method=lambda wildcards: plan.poster.question(wildcards.optimizer),
        working_copy="logs/notebooks/{experiment}/{optimizer}.ipynb",
    script:
        "../src/replication/scripts/run_notebook.py"
