"""The site."""

from replication.scripts import job

with job(snakemake):
    from replication.report.site import build

    build(snakemake.params.root, snakemake.output.site, snakemake.input.bundles, snakemake.params.runs)
