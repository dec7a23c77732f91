pdf, png = plan.figure("{figure}")


rule draw_figure:
    """A figure from results."""
    input:
        results=plan.behind_figure,
        modules=plan.figure_modules,
    output:
        pdf=pdf,
        png=report(
            png,
            caption="report/caption.rst",
            category="Figures",
            subcategory=plan.section_of_figure,
            labels={"figure": "{figure}"},
        ),
    log:
        "logs/draw_figure/{figure}.log",
    params:
        results=plan.results_of_figure,
        caption=plan.caption_of_figure,
    script:
        "../src/replication/scripts/draw_figure.py"


rule write_table:
    """A table from results."""
    input:
        results=plan.behind_table,
        modules=plan.modules("report/tables.py"),
    output:
        table=report(
            files.table("{table}"),
            caption="report/caption.rst",
            category="Tables",
            subcategory=plan.section_of_table,
            labels={"table": "{table}"},
        ),
    log:
        "logs/write_table/{table}.log",
    params:
        results=plan.results_of_table,
        caption=plan.caption_of_table,
    script:
        "../src/replication/scripts/write_table.py"


rule write_time:
    """What the jobs of a target took."""
    input:
        times=plan.times_of,
        modules=plan.modules("report/tables.py"),
    output:
        table=report(
            files.table("time_{target}"),
            caption="report/caption.rst",
            category="Tables",
            subcategory=plan.section_of_times,
            labels={"table": "time_{target}"},
        ),
    log:
        "logs/write_time/{target}.log",
    params:
        caption=plan.caption_of_times,
    script:
        "../src/replication/scripts/write_time.py"
