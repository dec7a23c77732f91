"""What the networks make of noisy images."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from replication.methods import METHODS
from replication.parameters import AUTOENCODER
from replication.report.drawing import draw_images
from replication.report.figures.curves import SMALL, WIDTH
from replication.report.figures.images import image_rows, row_name, trained_networks
from replication.results import Results
from replication.studies.maps import linear_map, mean_image


def autoencoder_samples(results: Results, count: int = 6) -> Figure:
    """What the networks of the first seed make of noisy images: training images left, unseen ones right."""
    seed, data, denoisers = trained_networks(results, tuple(METHODS))
    rank = min(results.run(AUTOENCODER, results.optimizers[AUTOENCODER][0], seed).parameters.network["hidden"])
    denoisers |= {f"linear map (rank {rank})": linear_map(data, rank)[0], "mean image": mean_image(data)}
    figure = plt.figure(figsize=(WIDTH, 0.73 * (2 + len(denoisers))))
    parts = {"training images": data.training, "unseen images": data.unseen}
    for axes, (title, split) in zip(figure.subplots(1, 2), parts.items(), strict=True):
        rows = image_rows(split, denoisers, count)
        draw_images(axes, {row_name(*row): (row[1], row[2] if row[0] != "clean" else None) for row in rows})
        axes.set_title(title)
    figure.supxlabel(
        f"Seed {seed}. PSNR in dB: below each image its own, below a name the mean over all "
        f"{len(data.training.inputs):,} training or {len(data.unseen.inputs):,} unseen images.\n"
        "PSNR is of unclipped values; all images are shown on one grey scale from 0 to 1.",
        fontsize=SMALL,
    )
    return figure
