rule fetch_mnist:
    input:
        sums=f"{DATA_ROOT}/SHA256SUMS",
        modules=library("mnist.py"),
    output:
        receipt="results/data/mnist.sha256",
    log:
        "logs/fetch_mnist.log",
    shell:
        "{COMMAND} fetch --root {DATA_ROOT} --sources {SOURCES} --receipt {output.receipt} 2>&1 | tee {log}"


def counts_of_images(wildcards):
    """Of the experiment whose folder the file lies in, or the common ones."""
    *experiment, _ = wildcards.drawn.split("/")
    return configuration.images(config, EXPERIMENTS[experiment[0]]) if experiment else DATA


rule draw_images:
    input:
        receipt=rules.fetch_mnist.output.receipt,
        modules=library("mnist.py"),
    output:
        images="results/data/{drawn}.safetensors",
    log:
        "logs/draw_images/{drawn}.log",
    params:
        seed=lambda wildcards: wildcards.drawn.rpartition("-")[2],
        training_images=lambda wildcards: counts_of_images(wildcards)["training_images"],
        validation_images=lambda wildcards: counts_of_images(wildcards)["validation_images"],
    shell:
        "{COMMAND} draw --root {DATA_ROOT} --sources {SOURCES} --seed {params.seed}"
        " --training-images {params.training_images} --validation-images {params.validation_images}"
        " --output {output.images} 2>&1 | tee {log}"
