rule full_mnist:
    """The autoencoder on all of MNIST: `snakemake --cores 2 full_mnist`."""
    input:
        runs=files_of(*of_target("full_mnist")),
        notebooks=notebooks_of(*of_target("full_mnist")),
        figure=expand("figures/full_mnist.{format}", format=["pdf", "png"]),
