"""MNIST's files, verified, and a receipt of their sums."""

from replication.scripts import job

with job(snakemake):
    from replication.data import mnist
    from replication.files import replacing

    root, receipt = snakemake.params.root, snakemake.output.receipt
    mnist.fetch(root, snakemake.config["data"]["sources"])  # no parameter: the files are the same from every source
    with replacing(receipt) as path:
        path.write_text("".join(f"{digest}  {name}\n" for name, digest in mnist.expected_sums(root).items()))
