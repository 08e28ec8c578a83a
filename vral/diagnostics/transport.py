"""The exact Wasserstein-1 distance between two point sets."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

FLOORS = 3
"""Number of real samples over which the floor of the distance is averaged."""


def wasserstein(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """W₁ of two samples (n, dim) and (m, dim) with equal weights in each, for Euclidean distance.

    POT's network simplex solves the linear program. Its time grows like n³ at worst; it takes 0.2 s
    for n = m = 1000.
    """
    import ot

    first, second = first.astype(np.float64), second.astype(np.float64)
    costs = np.linalg.norm(first[:, None] - second[None], axis=-1)
    distance: Any = ot.emd2(np.empty(0), np.empty(0), costs, numItermax=10_000_000)
    return float(distance)


def wasserstein_references(
    train: NDArray[np.floating], held_out: NDArray[np.floating]
) -> dict[str, float]:
    """The two distances to ``held_out`` (n, dim) between which a W₁ is to be judged.

    "w1_floor" is that of n fresh real samples, averaged over FLOORS blocks of ``train``: a perfect
    generator gets it. "w1_collapse" is that of a single point at the data's mean.
    """
    blocks = [train[i * len(held_out) :][: len(held_out)] for i in range(FLOORS)]
    centre = held_out.mean(0, keepdims=True)
    return {
        "w1_floor": float(np.mean([wasserstein(block, held_out) for block in blocks])),
        "w1_collapse": wasserstein(centre, held_out),
    }
