PERCEPTRONS = ["perceptron", "perceptron-teacher"]


def histories_of(*experiments):
    """Records and histories of every run of the experiments."""
    runs = [run for run in RUNS if run.split("/")[0] in experiments]
    return expand("results/runs/{run}/{file}", run=runs, file=["history.parquet", "weights.safetensors", "run.json"])


# What each figure is drawn from.
FIGURES = {
    "perceptron_loss": histories_of(*PERCEPTRONS),
    "autoencoder_convergence": [*histories_of("autoencoder"), "results/timing/autoencoder.json"],
    "autoencoder_samples": [*histories_of("autoencoder"), *images_of("autoencoder", SEEDS[0])],
    "poster": [
        *histories_of(*PERCEPTRONS, "autoencoder"),
        *images_of("autoencoder", SEEDS[0]),
        "results/timing/autoencoder.json",
    ],
}


def results_of_figure(wildcards):
    return FIGURES[wildcards.figure]


rule draw_figure:
    input:
        results=results_of_figure,
        modules=library("figures.py"),
        style=os.path.relpath(PACKAGE / "style.mplstyle"),
    output:
        pdf="figures/{figure}.pdf",
        png="figures/{figure}.png",
    log:
        "logs/draw_figure/{figure}.log",
    params:
        results=as_json({"folder": "results", "seeds": SEEDS, "optimizers": OPTIMIZERS}),
    shell:
        "{COMMAND} figure --name {wildcards.figure} --results {params.results:q}"
        " --output {output.pdf} {output.png} 2>&1 | tee {log}"


rule write_summary:
    input:
        results=FIGURES["poster"],
        modules=library("summary.py"),
    output:
        page="results/summary.md",
    log:
        "logs/write_summary.log",
    params:
        results=rules.draw_figure.params.results,
    shell:
        "{COMMAND} summary --results {params.results:q} --output {output.page} 2>&1 | tee {log}"
