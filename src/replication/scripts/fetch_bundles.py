"""The programs that the site's pages run."""

from replication.scripts import job

with job(snakemake):
    from replication.report.site.bundles import fetch

    fetch(snakemake.output.bundles)
