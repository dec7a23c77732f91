PERCEPTRONS = ["perceptron", "perceptron-teacher"]
FIRST_IMAGES = images_of("autoencoder", SEEDS["autoencoder"][0])
# Of the experiments that were tuned those with images to denoise, which closed forms bound.
BOUNDED = [name for name in EXPERIMENTS if EXPERIMENTS[name]["problem"]["name"] == "denoising" and ranges_of(name)]
# What each figure is drawn from.
FIGURES = {
    "perceptron_loss": files_of(*PERCEPTRONS),
    "autoencoder_convergence": [
        *files_of("autoencoder"),
        "results/timing/autoencoder.json",
        "results/bounds/figures/autoencoder.json",
    ],
    "autoencoder_samples": [*files_of("autoencoder"), *FIRST_IMAGES],
    "comparison": [*files_of("autoencoder"), *FIRST_IMAGES],
    "poster": [*files_of("perceptron", "autoencoder"), *FIRST_IMAGES],
    "inside": [*files_of("autoencoder"), "results/bounds/figures/autoencoder.json"],
    "full_mnist": [
        *files_of("autoencoder-full"),
        "results/timing/autoencoder-full.json",
        "results/bounds/figures/autoencoder-full.json",
    ],
    "benchmark": ["results/benchmark/measurements.json"],
    "limits": ["results/limits.json"],
    "conditioning": expand("results/conditioning/{experiment}.json", experiment=PERCEPTRONS),
    "ablation": [
        *expand("results/ablation/{selection}.json", selection=configuration.SELECTIONS),
        "results/bounds/ablation/autoencoder.json",
    ],
    "tuning": [
        *expand("results/tuning/{run}.json", run=[run for run in TUNED if run.startswith("autoencoder")]),
        *expand("results/bounds/tuning/{experiment}.json", experiment=BOUNDED),
    ],
    "tuning_perceptron": expand(
        "results/tuning/{run}.json", run=[run for run in TUNED if run.startswith("perceptron")]
    ),
}
POSTER = ["comparison", "poster", "perceptron_loss", "autoencoder_convergence", "autoencoder_samples", "inside"]


def results_for(target):
    """Where the target's results lie, and which there are, as JSON."""
    experiments = of_target(target)
    seeds, optimizers = ({name: table[name] for name in experiments} for table in (SEEDS, OPTIMIZERS))
    return as_json({"folder": "results", "seeds": seeds, "optimizers": optimizers})


def results_of_figure(wildcards):
    return FIGURES[wildcards.figure]


rule draw_figure:
    input:
        results=results_of_figure,
        modules=library("figures/__init__.py"),
        style=os.path.relpath(PACKAGE / "style.mplstyle"),
    output:
        pdf="figures/{figure}.pdf",
        png="figures/{figure}.png",
    log:
        "logs/draw_figure/{figure}.log",
    params:
        results=lambda wildcards: results_for("full_mnist" if wildcards.figure == "full_mnist" else None),
    shell:
        "{COMMAND} figure --name {wildcards.figure} --results {params.results:q}"
        " --output {output.pdf} {output.png} 2>&1 | tee {log}"
