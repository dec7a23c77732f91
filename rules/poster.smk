# The poster's way: MNIST -> the images of each seed -> a notebook for each experiment and optimizer -> the figures, which
# report.smk draws. What depends on the configuration is in src/replication/poster.py.


rule fetch_mnist:
    """MNIST's files, verified by SHA-256."""
    input:
        sums=f"{poster.data_root}/SHA256SUMS",
        modules=plan.modules("data/mnist.py"),
    output:
        receipt="results/data/mnist.sha256",
    log:
        "logs/fetch_mnist.log",
    params:
        root=poster.data_root,
    script:
        "../src/replication/scripts/fetch_mnist.py"


rule draw_images:
    """The images of a seed: to train on, to choose settings by, and to judge by."""
    input:
        receipt="results/data/mnist.sha256",
        modules=plan.modules("data/mnist.py"),
    output:
        images="results/data/{drawn}.safetensors",
    log:
        "logs/draw_images/{drawn}.log",
    params:
        root=poster.data_root,
        drawn=poster.images_to_draw,
    script:
        "../src/replication/scripts/draw_images.py"


rule run_notebook:
    """Every seed of one optimizer on one experiment.

    The notebook leaves a folder for each run, results/runs/EXPERIMENT/OPTIMIZER/seed-N, and reads those that are there
    and answer the same question. They are no outputs: Snakemake would delete them before the notebook runs again.
    """
    input:
        notebook=poster.notebook,
        modules=poster.modules,
        images=poster.images_of_notebook,
    output:
        notebook="results/notebooks/{experiment}/{optimizer}.ipynb",
    log:
        "logs/run_notebook/{experiment}/{optimizer}.log",
    threads: config["threads"]
    params:
        parameters=poster.parameters,
        method=poster.method,
        working_copy="logs/notebooks/{experiment}/{optimizer}.ipynb",
    script:
        "../src/replication/scripts/run_notebook.py"
