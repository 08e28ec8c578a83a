"""Coverage of the data by the samples, and their variance, on NumPy arrays (n, dim)."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def coverage(real: Array, fake: Array, neighbours: int = 5) -> float:
    """Share of real points that have a fake one nearer than their ``neighbours``-th real neighbour.

    1 is best. Outliers do not inflate it as they do recall (Naeem et al. 2020).
    """
    from sklearn.neighbors import NearestNeighbors

    among_real = NearestNeighbors(n_neighbors=neighbours + 1).fit(real)
    radius = among_real.kneighbors(real)[0][:, -1]
    nearest_fake = NearestNeighbors(n_neighbors=1).fit(fake).kneighbors(real)[0][:, 0]
    return float((nearest_fake < radius).mean())


def variance_share(real: Array, fake: Array) -> float:
    """Total variance E‖v - E v‖² of the fake points over that of the real ones.

    Near 0 all fake points are one; 1 is that of the data. NaN where all real points are one.
    """
    of_real, of_fake = (float(points.var(0).sum()) for points in (real, fake))
    return of_fake / of_real if of_real else float("nan")


def reverse_kl(modes: NDArray[np.integer], shares: Array) -> float:
    """KL(samples' modes ‖ data's modes) in nats.

    ``modes`` (n,) holds the number of each sample's mode, from 0; ``shares`` (K,) are those of the
    data, all positive. Samples that are all in mode k give -log shares[k]; a generator that keeps m
    of K equal modes gives log(K / m). It is the plug-in estimate: n samples of the data itself give
    about (K-1) / 2n, not 0, because 2n times the estimate is nearly χ² with K-1 degrees of freedom.
    """
    from scipy.stats import entropy

    return float(entropy(np.bincount(modes, minlength=len(shares)), shares))


def mixture_quality(samples: Array, modes: Array, sd: float) -> dict[str, float]:
    """Modes covered, share of high-quality samples and reverse KL of a mixture of Gaussians.

    ``modes`` (K, dim) are the centres of equal Gaussians of deviation ``sd``. A sample is of high
    quality within 3·sd of its nearest centre; a mode is covered if at least
    1 % of its fair share (n / modes) of the samples, and at least one, are of high quality there.
    The reverse KL counts every sample at its nearest centre.
    """
    distance = np.linalg.norm(samples[:, None] - modes[None], axis=-1)
    nearest, good = distance.argmin(1), distance.min(1) < 3 * sd
    counts = np.bincount(nearest[good], minlength=len(modes))
    needed = max(1.0, 0.01 * len(samples) / len(modes))
    return {
        "modes_covered": float((counts >= needed).sum()),
        "high_quality": float(good.mean()),
        "reverse_kl": reverse_kl(nearest, np.full(len(modes), 1 / len(modes))),
    }
