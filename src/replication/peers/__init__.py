"""Methods of the field beside nonsmooth's: for comparisons, without the library's promises of reliability."""
