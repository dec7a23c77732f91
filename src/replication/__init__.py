"""The experiments of the poster, replicated with the library nonsmooth."""
