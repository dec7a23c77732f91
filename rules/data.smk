rule fetch_mnist:
    """MNIST's files, verified by SHA-256."""
    input:
        sums=f"{plan.data_root}/SHA256SUMS",
        modules=plan.modules("data/mnist.py"),
    output:
        receipt=files.receipt,
    log:
        "logs/fetch_mnist.log",
    params:
        root=plan.data_root,
    script:
        "../src/replication/scripts/fetch_mnist.py"


rule draw_images:
    """The images of a seed."""
    input:
        receipt=files.receipt,
        modules=plan.modules("data/mnist.py"),
    output:
        images=files.sample("{drawn}"),
    log:
        "logs/draw_images/{drawn}.log",
    params:
        root=plan.data_root,
        drawn=plan.images_to_draw,
    script:
        "../src/replication/scripts/draw_images.py"
