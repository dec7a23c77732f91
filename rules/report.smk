# Figures and tables: each is made by a function of src/replication/report/, whose module says what it is made of.
pdf, png = plan.figure("{figure}")


rule draw_figure:
    """A figure from results."""
    input:
        results=lambda wildcards: plan.files(*plan.needs("figure", wildcards.figure)),
        modules=lambda wildcards: plan.modules_of_shown("figure", wildcards.figure),
    output:
        pdf=pdf,
        png=report(
            png,
            caption="report/caption.rst",
            category="Figures",
            subcategory=lambda wildcards: plan.target_of("figure", wildcards.figure),
            labels={"figure": "{figure}"},
        ),
    log:
        "logs/draw_figure/{figure}.log",
    params:
        results=lambda wildcards: plan.named(*plan.needs("figure", wildcards.figure)),
        caption=lambda wildcards: plan.caption("figure", wildcards.figure),
    script:
        "../src/replication/scripts/draw_figure.py"


rule write_table:
    """A table from results."""
    input:
        results=lambda wildcards: plan.files(*plan.needs("table", wildcards.table)),
        modules=lambda wildcards: plan.modules_of_shown("table", wildcards.table),
    output:
        table=report(
            "results/tables/{table}.csv",
            caption="report/caption.rst",
            category="Tables",
            subcategory=lambda wildcards: plan.target_of("table", wildcards.table),
            labels={"table": "{table}"},
        ),
    log:
        "logs/write_table/{table}.log",
    params:
        results=lambda wildcards: plan.named(*plan.needs("table", wildcards.table)),
        caption=lambda wildcards: plan.caption("table", wildcards.table),
    script:
        "../src/replication/scripts/write_table.py"
