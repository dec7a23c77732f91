CLAIMS = config["claims"]
SELECTIONS = configuration.SELECTIONS
COMPARED = [*configuration.BASELINES, *configuration.READINGS]


STATEMENTS = [statement for statement in CLAIMS["statements"] if "experiment" in statement]


def places_of(statement):
    """The experiments that the statement is judged on, its own first."""
    return [statement["experiment"], *statement.get("elsewhere", [])]


# Where the claims are judged, each experiment with the loss that settings are chosen by.
JUDGED = sorted({(place, s["selected_by"]) for s in STATEMENTS for place in places_of(s)})
TIMED = sorted({place for s in STATEMENTS if "seconds" in s["quantities"] for place in places_of(s)})
ELSEWHERE = sorted({place for s in STATEMENTS if s["experiment"] == "autoencoder" for place in places_of(s)[1:]})
REFERENCES = [name for name in OPTIMIZERS["autoencoder"] if name not in COMPARED]
# In the table of what bounds the picture: the autoencoder's runs, and those of where its claims are judged as well.
SHOWN = [
    *(f"autoencoder/{name}" for name in [*COMPARED, *REFERENCES]),
    *(f"{experiment}/{name}" for experiment in ELSEWHERE for name in COMPARED),
]
JUDGED_RUNS = {
    *(f"{experiment}/{selection}/{name}" for experiment, selection in JUDGED for name in COMPARED),
    *(shown.replace("/", "/validation_loss/") for shown in SHOWN),
    *(f"autoencoder/train_loss/{name}" for name in REFERENCES),
}


def images_to_judge(wildcards):
    return [path for seed in CLAIMS["seeds"] for path in images_of(wildcards.experiment, seed)]


def parameters_to_judge(wildcards):
    experiment, optimizer = wildcards.experiment, wildcards.optimizer
    return as_json(configuration.parameters(config, experiment, optimizer, CLAIMS["seeds"][0], wildcards.selection))


rule train_seeds:
    """Every seed of the claims with one optimizer, in one process."""
    input:
        images=images_to_judge,
        modules=library("evidence.py"),
    output:
        runs="results/claims/{experiment}/{selection}/{optimizer}.json",
    log:
        "logs/train_seeds/{experiment}/{selection}/{optimizer}.log",
    benchmark:
        "results/times/claims/{experiment}/{selection}/{optimizer}.tsv"
    wildcard_constraints:
        selection="|".join(SELECTIONS),
    threads: config["threads"]
    params:
        parameters=parameters_to_judge,
        samples=lambda wildcards: images_by_seed(wildcards.experiment, CLAIMS["seeds"]),
        every=lambda wildcards: CLAIMS["every"][wildcards.selection],
        ssim=lambda wildcards: "yes" if wildcards.selection == "validation_loss" else "no",  # images are judged by it
    shell:
        "{COMMAND} evidence --parameters {params.parameters:q} --samples {params.samples:q} --every {params.every}"
        " --ssim {params.ssim} --output {output.runs} 2>&1 | tee {log}"


def seeds_to_bound(wildcards):
    """Those of what the bounds are drawn or told beside."""
    uses = {"claims": CLAIMS["seeds"], "tuning": seeds_to_tune(wildcards)[:1], "ablation": config["limits"]["seeds"]}
    return uses.get(wildcards.use, SEEDS[wildcards.experiment])


rule bound_picture:
    """The noisy input, the mean image and the best linear map."""
    input:
        images=lambda w: [path for seed in seeds_to_bound(w) for path in images_of(w.experiment, seed)],
        modules=library("evidence.py"),
    output:
        bounds="results/bounds/{use}/{experiment}.json",
    log:
        "logs/bound_picture/{use}/{experiment}.log",
    wildcard_constraints:
        use="figures|claims|tuning|ablation",
    threads: config["threads"]
    params:
        parameters=lambda wildcards: as_json(configuration.parameters(config, wildcards.experiment, "sgd", 0)),
        samples=lambda wildcards: images_by_seed(wildcards.experiment, seeds_to_bound(wildcards)),
        ssim=lambda wildcards: "yes" if wildcards.use == "claims" else "no",
    shell:
        "{COMMAND} bounds --parameters {params.parameters:q} --samples {params.samples:q} --ssim {params.ssim}"
        " --output {output.bounds} 2>&1 | tee {log}"


rule judge_claims:
    input:
        runs=expand("results/claims/{run}.json", run=sorted(JUDGED_RUNS)),
        timing=expand("results/timing/{experiment}.json", experiment=TIMED),
        modules=library("claims.py"),
    output:
        claims="results/claims.json",
    log:
        "logs/judge_claims.log",
    params:
        settings=as_json(CLAIMS),
    shell:
        "{COMMAND} claims --folder results --settings {params.settings:q} --output {output.claims} 2>&1 | tee {log}"


rule tell_claims:
    """The claims as a short paper."""
    input:
        claims=rules.judge_claims.output.claims,
        references="results/tables/references.csv",
        notebook=source("notebooks/claims.ipynb"),
        modules=library(source("notebooks/claims.ipynb")),
    output:
        notebook="results/notebooks/claims.ipynb",
    log:
        "logs/tell_claims.log",
    params:
        parameters=as_json({"folder": "results"}),
    shell:
        "{COMMAND} notebook --notebook {input.notebook} --parameters {params.parameters:q}"
        " --working-copy logs/notebooks/claims.ipynb --output {output.notebook} 2>&1 | tee {log}"


rule claims:
    """A verdict on every claim of the poster: `make claims`."""
    input:
        rules.tell_claims.output,
        expand("results/tables/{table}.csv", table=["claims", "references", "trained", "time_claims"]),
