"""Statistics of D's scores on held-out data: NumPy arrays (n,) of real and of fake scores."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.floating]


def auc(real: Array, fake: Array) -> float:
    """P(D(x) > D(G(z))), where a tie counts one half."""
    from sklearn.metrics import roc_auc_score

    truth = np.concatenate([np.ones(len(real)), np.zeros(len(fake))])
    return float(roc_auc_score(truth, np.concatenate([real, fake])))


def ks_distance(scores: Array, mean: float) -> float:
    """Kolmogorov-Smirnov distance between the scores and N(mean, 1)."""
    from scipy.stats import kstest, norm

    return float(kstest(scores, norm(loc=mean).cdf).statistic)


def overlap(real: Array, fake: Array, bins: int = 50) -> float:
    """∫ min(p, q) of the two densities, as histograms over ``bins`` cells.

    It is 1 for equal distributions, 0 for disjoint ones and 2Φ(-½) ≈ 0.617 for N(0, 1) and N(1, 1).
    The cells span the 0.5 % to 99.5 % quantiles of both samples, so that an outlier cannot widen
    them. Scores outside are counted in the outermost cells.
    """
    edges = [np.quantile(scores, (0.005, 0.995)) for scores in (real, fake)]
    low, high = float(np.min(edges)), float(np.max(edges))
    if low == high:
        return 1.0
    p, q = (
        np.histogram(np.clip(scores, low, high), bins, (low, high))[0] / len(scores)
        for scores in (real, fake)
    )
    return float(np.minimum(p, q).sum())


def score_statistics(
    real: Array | Tensor, fake: Array | Tensor, mean_real: float = 1.0, mean_fake: float = 0.0
) -> dict[str, float]:
    """AUC, distances, overlap and moments of the scores, as columns of a probe.

    ``real`` and ``fake`` are raw scores, (n,) or (n, 1), arrays or tensors, of any critic;
    ``mean_real`` and ``mean_fake`` are the means of the unit Gaussians that VRAL asks for. Source:
    the columns ``ks_*`` and ``overlap`` test the claim of Grewal et al. 2017 that D's outputs match
    two Gaussians.

    Raises:
        ValueError: scores that are not finite (raised by scikit-learn).
    """
    real, fake = _scores(real), _scores(fake)
    return {
        "auc": auc(real, fake),
        "ks_real": ks_distance(real, mean_real),
        "ks_fake": ks_distance(fake, mean_fake),
        "overlap": overlap(real, fake),
        "held_out_mean_real": float(real.mean()),
        "held_out_mean_fake": float(fake.mean()),
        "held_out_var_real": float(real.var()),
        "held_out_var_fake": float(fake.var()),
    }


def _scores(given: Array | Tensor) -> Array:
    """Scores as an array (n,), without their graph; an array of that shape as it is."""
    return (given.numpy(force=True) if isinstance(given, Tensor) else given).reshape(-1)
