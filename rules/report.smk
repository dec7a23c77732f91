rule draw_figure:
    """A figure from results."""
    input:
        results=plan.behind_figure,
        modules=plan.figure_modules,
    output:
        plan.figure("{figure}"),
    log:
        "logs/draw_figure/{figure}.log",
    params:
        results=plan.results_of_figure,
    script:
        "../src/replication/scripts/draw_figure.py"


rule write_table:
    """A table from results."""
    input:
        results=plan.behind_table,
        modules=plan.modules("report/tables.py"),
    output:
        table=files.table("{table}"),
    log:
        "logs/write_table/{table}.log",
    params:
        results=plan.results_of_table,
    script:
        "../src/replication/scripts/write_table.py"


rule write_time:
    """What the jobs of a target took."""
    input:
        times=plan.times_of,
        modules=plan.modules("report/tables.py"),
    output:
        table=files.table("time_{target}"),
    log:
        "logs/write_time/{target}.log",
    script:
        "../src/replication/scripts/write_time.py"
