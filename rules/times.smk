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


rule tell_time:
    """A sentence for the README on what the jobs of a target took."""
    input:
        times=lambda wildcards: TIMES[wildcards.target],
        modules=library("overhead.py"),
    output:
        page="results/times/{target}_time.md",
    log:
        "logs/tell_time/{target}.log",
    wildcard_constraints:
        target="|".join(TIMES),
    shell:
        "{COMMAND} spent --times {input.times} --target {wildcards.target} --output {output.page} 2>&1 | tee {log}"
