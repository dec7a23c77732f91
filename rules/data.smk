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


rule draw_images:
    input:
        receipt=rules.fetch_mnist.output.receipt,
        modules=library("mnist.py"),
    output:
        images="results/data/seed-{seed}.safetensors",
    log:
        "logs/draw_images/seed-{seed}.log",
    params:
        training_images=DATA["training_images"],
        validation_images=DATA["validation_images"],
    shell:
        "{COMMAND} draw --root {DATA_ROOT} --sources {SOURCES} --seed {wildcards.seed}"
        " --training-images {params.training_images} --validation-images {params.validation_images}"
        " --output {output.images} 2>&1 | tee {log}"
