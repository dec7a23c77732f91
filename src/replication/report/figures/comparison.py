"""The poster's comparison at a glance."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from replication.methods import compared
from replication.parameters import AUTOENCODER
from replication.report.drawing import draw_images, plain_ticks
from replication.report.figures.curves import SMALL, WIDTH, Label, draw_curves, label_beside, seeds_of
from replication.report.figures.images import image_rows, row_name, trained_networks
from replication.results import Results


def comparison(results: Results) -> Figure:
    """The poster's comparison at a glance: training loss against iterations, and unseen images denoised."""
    figure = plt.figure(figsize=(WIDTH, 4.35))
    left, right = figure.subfigures(1, 2, width_ratios=(4.1, 4.2))
    axes = left.subplots()
    draw_curves(axes, results, AUTOENCODER, "train_loss", among=compared())
    axes.set(title="Training loss (mean squared error)", xlabel="iteration")
    axes.margins(x=0.02)
    plain_ticks(axes.yaxis)
    seed, data, trained = trained_networks(results, compared())
    panel = right.subplots()
    draw_images(panel, {row_name(*row): (row[1], None) for row in image_rows(data.unseen, trained, 5)})
    panel.set_title("Unseen images, denoised")
    count = len(data.unseen.inputs)
    caption = f"{seeds_of(results, AUTOENCODER)} Images: seed {seed}; dB: mean PSNR over {count:,} unseen images."
    figure.supxlabel(caption, fontsize=SMALL)
    ends = [line for line in axes.lines if line.get_label()[0] != "_" and len(line.get_ydata())]
    names = {line: line.get_label().replace(" (", "\n(", 1) for line in ends}
    label_beside({axes: [Label(names[line], line.get_ydata()[-1], line.get_color()) for line in ends]}, size=8)
    return figure
