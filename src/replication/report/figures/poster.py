"""The poster's numerical panels on one page."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from replication.methods import POSTER, baselines, compared, of_role
from replication.report.drawing import draw_images, plain_ticks
from replication.report.figures.curves import (
    SMALL,
    WIDTH,
    compress_below,
    draw_curves,
    iterations_on_a_log_scale,
    legend,
    seeds_of,
)
from replication.report.figures.images import image_rows, row_name, trained_networks
from replication.results import Results


def poster(results: Results) -> Figure:
    """The poster's numerical panels on one page: two losses, three rows of images.

    All compared methods have curves. The images are those of the first one of the poster, the gradient reading: the
    weight update that its title names.
    """
    figure = plt.figure(figsize=(WIDTH, 6.5))
    top, bottom = figure.subfigures(2, 1, height_ratios=(3, 3.5))
    panels, shown = top.subplots(1, 2), of_role(POSTER)[0]
    titles = {"perceptron": "Perceptron, one digit of MNIST", "autoencoder": "Denoising autoencoder"}
    for axes, (experiment, title) in zip(panels, titles.items(), strict=True):
        draw_curves(axes, results, experiment, "train_loss", among=compared())
        axes.set(title=title, xlabel="iteration", ylabel="training loss (mean squared error)")
    iterations_on_a_log_scale(panels[0])
    compress_below(panels[0])
    plain_ticks(panels[1].yaxis)
    legend(top, panels, 4, seeds_of(results, "autoencoder"))
    seed, data, trained = trained_networks(results, (*baselines(), shown))
    parts = {"training": data.training, "unseen": data.unseen}
    for axes, (part, split) in zip(bottom.subplots(1, 2), parts.items(), strict=True):
        draw_images(axes, {row_name(*row): (row[1], None) for row in image_rows(split, trained, 6)})
        axes.set_title(f"Denoised {part} images")
    bottom.supxlabel(
        f"Seed {seed}. dB: mean PSNR over all {len(data.training.inputs):,} training or {len(data.unseen.inputs):,} "
        "unseen images. BADMM's images are those of the gradient reading.",
        fontsize=SMALL,
    )
    return figure
