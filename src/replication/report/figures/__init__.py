"""The figures, drawn from what the pipeline has computed: a file each, found by FIGURES."""

from importlib import import_module

from replication.files import replacing

# By name the module that has the function of that name.
FIGURES = {
    "answer": "answer",
    "comparison": "comparison",
    "poster": "poster",
    "perceptron_loss": "perceptron_loss",
    "autoencoder_convergence": "convergence",
    "autoencoder_samples": "samples",
    "inside": "inside",
    "full_mnist": "convergence",
    "benchmark": "benchmark",
    "tuning": "tuning",
    "tuning_perceptron": "tuning",
    "limits": "limits",
    "ladder": "ladder",
    "search": "search",
    "budget": "search",
    "conditioning": "conditioning",
    "ablation": "ablation",
}


def draw(name: str, results):
    """The figure `name` of `results` (results.Results)."""
    return getattr(import_module(f"replication.report.figures.{FIGURES[name]}"), name)(results)


def write(name: str, results, outputs: list[str]) -> None:
    """Draw the figure `name` to every file of `outputs`, its format by its ending; same results, same bytes."""
    import matplotlib  # imported late, as the next: the plan asks for FIGURES alone
    import matplotlib.pyplot as plt

    from replication.report.drawing import png, style

    matplotlib.use("Agg")
    style()
    figure = draw(name, results)
    figure.set_dpi(plt.rcParams["savefig.dpi"])  # text is as wide as it will be
    for _ in range(2):  # the layout settles in the second pass
        figure.draw_without_rendering()
    figure.set_layout_engine("none")  # as it is: every file has the same
    for output in outputs:
        with replacing(output) as path:
            if output.endswith(".png"):
                path.write_bytes(png(figure))
            else:
                figure.savefig(path, metadata={"CreationDate": None})
    plt.close(figure)
