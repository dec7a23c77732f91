"""Random numbers: one base seed a run, one independent stream for each purpose.

A stream is derived by hashing, so that drawing more from one, or adding another, never moves the rest, and every
optimizer of a seed sees the same images, noise and initial weights.
"""

import hashlib

import torch


def generator(seed: int, purpose: str) -> torch.Generator:
    """A CPU generator for `purpose` ("data", "noise/training", "weights", "batches", ...) of base seed `seed` >= 0."""
    digest = hashlib.sha256(f"{int(seed)}/{purpose}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
