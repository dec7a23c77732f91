"""The files of a data set, verified, and a receipt of their sums."""

from replication.scripts import job

with job(snakemake):
    from replication.data import mnist
    from replication.files import replacing

    root, receipt, dataset = snakemake.params.root, snakemake.output.receipt, snakemake.wildcards.dataset
    sources = snakemake.config["data"]["sources"]  # no parameter: the files are the same from every source
    mnist.fetch(root, sources, dataset=dataset)
    with replacing(receipt) as path:
        sums = mnist.expected_sums(root, dataset)
        path.write_text("".join(f"{digest}  {name}\n" for name, digest in sums.items()))
