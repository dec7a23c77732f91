rule denoise_images:
    """What the methods of the claims make of unseen images while they train, with the first seed."""
    input:
        images=plan.images_to_picture,
        modules=plan.modules("studies/denoised.py"),
        published=plan.published(files.denoised),
    output:
        denoised=files.denoised,
    log:
        "logs/denoise_images.log",
    threads: config["threads"]
    params:
        runs=plan.runs_to_picture,
        pictures=plan.pictures,
        known_by=plan.keys_of_pictures,
    script:
        "../src/replication/scripts/denoise_images.py"


rule fetch_bundles:
    """The programs that the site's pages run, from npm."""
    input:
        modules=plan.modules("report/site/bundles.py"),
    output:
        bundles=directory(f"{files.folder}/bundles"),
    log:
        "logs/fetch_bundles.log",
    script:
        "../src/replication/scripts/fetch_bundles.py"


rule build_site:
    """The pages, notebooks and records of the project as a site."""
    input:
        bundles=f"{files.folder}/bundles",
        sources=plan.site_sources,
        modules=plan.modules("report/site/__init__.py"),
    output:
        site=directory(f"{files.folder}/site"),
    log:
        "logs/build_site.log",
    params:
        root=source("."),
        runs=plan.runs_here(),
        figures=plan.published_figures(),
    script:
        "../src/replication/scripts/build_site.py"
