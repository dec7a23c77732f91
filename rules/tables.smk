# What each table of the evidence is made of.
BENCHMARK = "results/benchmark"
TABLES = {
    "runs": files_of(*of_target(None)),
    "lead": files_of("autoencoder"),
    "claims": ["results/claims.json"],
    "references": [
        "results/bounds/claims/autoencoder.json",
        *expand("results/claims/{run}.json", run=sorted(JUDGED_RUNS)),
    ],
    "trained": expand("results/claims/{run}.json", run=sorted(JUDGED_RUNS)),
    "limits": ["results/limits.json"],
    "limits_active": ["results/limits.json"],
    "limits_where": ["results/limits.json"],
    "conditioning": FIGURES["conditioning"],
    "pixels": FIRST_IMAGES,
    "ablation": FIGURES["ablation"],
    "goals": [f"{BENCHMARK}/summary.json"],
    "quality": [f"{BENCHMARK}/summary.json"],
    "cost_model": [f"{BENCHMARK}/summary.json"],
    "predictions": [f"{BENCHMARK}/summary.json"],
    "iterations": [f"{BENCHMARK}/measurements.json"],
    "memory": [f"{BENCHMARK}/measurements.json"],
    "processes": [f"{BENCHMARK}/scaling.json"],
    "machine": [f"{BENCHMARK}/scaling.json", f"{BENCHMARK}/measurements.json"],
    "overhead": [f"{BENCHMARK}/overhead.json"],
}
# Of the targets that train for long: where their jobs' times lie.
TIMES = {
    "tune": expand("results/times/tune/{run}.tsv", run=TUNED),
    "claims": expand("results/times/claims/{run}.tsv", run=sorted(JUDGED_RUNS)),
    "limits": [
        *USED,
        *expand("results/times/limits/conditioning-{experiment}.tsv", experiment=PERCEPTRONS),
        *expand("results/times/limits/ablation-{selection}.tsv", selection=SELECTIONS),
    ],
}


def results_of_table(wildcards):
    if wildcards.table != "references":
        return results_for(None)
    shown = [name.split("/") for name in SHOWN]
    optimizers = {experiment: [name for of, name in shown if of == experiment] for experiment, _ in shown}
    return as_json({"folder": "results", "seeds": {}, "optimizers": optimizers})


rule write_table:
    input:
        results=lambda wildcards: TABLES[wildcards.table],
        modules=library("tabulate.py"),
    output:
        table="results/tables/{table}.csv",
    log:
        "logs/write_table/{table}.log",
    wildcard_constraints:
        table="|".join(TABLES),
    params:
        results=results_of_table,
    shell:
        "{COMMAND} table --name {wildcards.table} --results {params.results:q} --output {output.table} 2>&1 | tee {log}"


rule write_time:
    """What the jobs of a target took."""
    input:
        times=lambda wildcards: TIMES[wildcards.target],
        modules=library("tabulate.py"),
    output:
        table="results/tables/time_{target}.csv",
    log:
        "logs/write_time/{target}.log",
    wildcard_constraints:
        target="|".join(TIMES),
    shell:
        "{COMMAND} spent --times {input.times} --target {wildcards.target} --output {output.table} 2>&1 | tee {log}"
