rule fetch_mnist:
    input:
        sums=f"{DATA_ROOT}/SHA256SUMS",
        modules=library("mnist.py"),
    output:
        receipt="results/data/mnist.sha256",
    log:
        "logs/fetch_mnist.log",
    params:
        root=DATA_ROOT,
        sources=DATA["sources"],
    shell:
        "{COMMAND} fetch --root {params.root} --sources {params.sources} --receipt {output.receipt} 2>&1 | tee {log}"


rule draw_images:
    input:
        receipt=rules.fetch_mnist.output.receipt,
        modules=library("mnist.py"),
    output:
        images="results/data/seed-{seed}.safetensors",
    log:
        "logs/draw_images/seed-{seed}.log",
    params:
        root=DATA_ROOT,
        sources=DATA["sources"],
        training_images=DATA["training_images"],
        validation_images=DATA["validation_images"],
    shell:
        "{COMMAND} draw --root {params.root} --sources {params.sources} --seed {wildcards.seed}"
        " --training-images {params.training_images} --validation-images {params.validation_images}"
        " --output {output.images} 2>&1 | tee {log}"
