rule fetch_bundles:
    """The programs that the site's pages run, from npm."""
    input:
        modules=plan.modules("report/site/bundles.py"),
    output:
        bundles=directory("results/bundles"),
    log:
        "logs/fetch_bundles.log",
    script:
        "../src/replication/scripts/fetch_bundles.py"


rule build_site:
    """The pages, notebooks and records of the project as a site."""
    input:
        bundles="results/bundles",
        sources=plan.site_sources,
        modules=plan.modules("report/site/__init__.py"),
    output:
        site=directory("results/site"),
    log:
        "logs/build_site.log",
    params:
        root=source("."),
        runs=plan.runs_here(),
        figures=plan.published_figures(),
    script:
        "../src/replication/scripts/build_site.py"
