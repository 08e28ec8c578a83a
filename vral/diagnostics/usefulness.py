"""Does G's signal point at the data? It is held against optimal transport, fake by fake.

n fakes xᵢ and as many reals have equal weights, so that a cheapest plan is an assignment T of one
real to each fake, and fake i has to travel dᵢ = T(xᵢ) - xᵢ. One assignment has the least mean
squared distance, W₂² = E‖d‖²; another, with displacements d', the least mean distance, W₁ = E‖d'‖.
The signal sᵢ is the direction in which G's loss falls, and u = s/√E‖s‖² a step of root mean square
length 1. Three readings are mean inner products E⟨a, b⟩ over the fakes:

======================  =======  ========  =========================================
``usefulness_cosine``   s/‖s‖    d/‖d‖     mean cosine of signal and displacement
``usefulness_w2_drop``  u        2d        -∂W₂²(x + tu)/∂t at t = 0, at most 2W₂
``usefulness_w1_drop``  u        d'/‖d'‖   -∂W₁(x + tu)/∂t at t = 0, at most 1
======================  =======  ========  =========================================

The derivatives are those of the cost with the plan held (envelope theorem, Danskin 1966). A vector
of length 0 has no direction and counts as 0: a signal of zero gives 0 throughout. Two readings more
take a step that can be seen, t = STEP · W₂, and assign anew: ``…_drop_step`` is the fall of W₂² or
of W₁ divided by t. They see that vectors of all directions spread a G that has collapsed, which
brings it nearer to the data; the derivatives, which hold one plan of many as cheap, do not.

Two chance levels say what a reading is worth if the signal does not know where each fake belongs:

* *permuted*: its vectors are dealt out among the fakes anew. For the inner products mean and
  standard deviation over all n! ways have closed forms (Hoeffding 1951, theorem 2); for the finite
  steps they are those of PERMUTATIONS fixed ways. A signal that asks all fakes for one and the same
  step is worth no more than this.
* *random*: every vector keeps its length and gets a direction of its own, uniform in all p
  dimensions. The mean is 0; for the cosine the standard deviation is 1/√(np).

n samples of the data itself are a distance apart, too, so that even a perfect G has somewhere to
go. Compare readings at equal n only.
"""

import math

import numpy as np
from numpy.typing import NDArray

from vral.diagnostics.coverage import variance_share

SAMPLES = 400
"""Fakes, and reals, that a probe takes; fewer where a data set holds fewer out."""

STEP = 0.1
"""Root mean square length of a finite step in units of W₂."""

PERMUTATIONS = 5
"""Ways to deal out the signal's vectors over which a finite step's chance level is taken."""

_READINGS = {
    "cosine": "mean cosine of G's signal -∂l_G/∂G(z) and T(x)-x, the way to held-out data by "
    f"optimal transport (exact assignment of {SAMPLES} fakes, squared distance); no unit",
    "w2_drop": "fall of W₂² per unit step along G's signal, 2E⟨u, T(x)-x⟩ with E‖u‖² = 1, in units "
    "of a coordinate (envelope theorem, Danskin 1966); at most 2W₂",
    "w1_drop": "fall of W₁ per unit step along G's signal, no unit, by the assignment of least "
    "distance; at most 1",
}
_STEPS = {
    "w2_drop_step": f"fall of W₂² by a step of {STEP} W₂ along G's signal, assigned anew, per "
    "length of the step, in units of a coordinate",
    "w1_drop_step": "fall of W₁ by that step, likewise, no unit",
}
_ENDINGS = {
    "": "{text}",
    "_permuted": "chance level of usefulness_{name}: its mean with the signal's vectors dealt out "
    "among the fakes anew (Hoeffding 1951)",
    "_permuted_sd": "chance level of usefulness_{name}: standard deviation over these",
    "_random_sd": "chance level of usefulness_{name}: its standard deviation, around 0, for random "
    "directions of the same lengths",
}
DISTANCES = {
    "usefulness_w2_square": "W₂² of these samples, in squared units of a coordinate",
    "usefulness_w1": "W₁ of these samples, in units of a coordinate",
}
SHARE = {
    "usefulness_variance_share": "total variance of these fakes over that of the held-out samples; "
    "near 0 G gives one point, and a signal to it says little",
}
USEFULNESS_METRICS: dict[str, str] = {
    **{
        f"usefulness_{name}{ending}": words.format(name=name, text=text)
        for name, text in {**_READINGS, **_STEPS}.items()
        for ending, words in _ENDINGS.items()
        if name in _READINGS or ending != "_random_sd"
    },
    **DISTANCES,
    **SHARE,
}
"""Columns that ``usefulness`` adds to a probe; a coordinate is a point's, or a pixel's."""

Array = NDArray[np.floating]


def displacements(fakes: Array, reals: Array, squared: bool) -> Array:
    """What each of ``fakes`` (n, dim) has to travel to its own one of ``reals`` (n, dim).

    The assignment is the cheapest by ``squared`` distance, or by distance; where several are
    cheapest, one of them. SciPy's ``linear_sum_assignment`` finds it exactly, in time of order n³.
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    costs = cdist(fakes, reals, "sqeuclidean" if squared else "euclidean")
    costs -= costs.min(1, keepdims=True)  # the same assignment, found in half the time
    costs -= costs.min(0)
    return reals[linear_sum_assignment(costs)[1]] - fakes


def usefulness(fakes: Array, reals: Array, signal: Array) -> dict[str, float]:
    """How far ``signal`` moves ``fakes`` towards ``reals``, as the columns of a probe.

    All three are (n, *sample). The scale of ``signal`` does not matter. Lengths are in units of a
    sample's coordinates, and W₂² in their squares. Beside the readings of this file's head, with
    "_permuted", "_permuted_sd" and "_random_sd" for chance, there are "usefulness_w2_square",
    "usefulness_w1" and "usefulness_variance_share" (NaN where all ``reals`` are the same). All but
    these three are NaN where ``signal`` is not finite.

    Raises:
        ValueError: the three shapes differ.
    """
    if not fakes.shape == reals.shape == signal.shape:
        raise ValueError(f"shapes differ: {fakes.shape}, {reals.shape}, {signal.shape}")
    n = len(fakes)
    x, y, s = (part.reshape(n, -1).astype(np.float64) for part in (fakes, reals, signal))
    if not np.isfinite(s).all():
        s = np.full_like(s, math.nan)
    far, near = (displacements(x, y, squared) for squared in (True, False))
    distances = np.array([_rms(far) ** 2, _lengths(near).mean()])
    step = s / (_rms(s) or 1.0)
    return {
        **_aligned("usefulness_cosine", _directions(s), _directions(far)),
        **_aligned("usefulness_w2_drop", step, 2 * far),
        **_aligned("usefulness_w1_drop", step, _directions(near)),
        **_finite_steps(x, y, step, distances),
        **dict(zip(DISTANCES, distances.tolist(), strict=True)),
        "usefulness_variance_share": variance_share(y, x),
    }


def _aligned(name: str, first: Array, second: Array) -> dict[str, float]:
    """E⟨a, b⟩ of two sets of vectors (n, dim), and what it is by chance."""
    n, dim = first.shape
    centred = (first - first.mean(0)) @ (second - second.mean(0)).T
    return {
        name: (first * second).sum(1).mean().item(),
        f"{name}_permuted": float(first.mean(0) @ second.mean(0)),
        f"{name}_permuted_sd": float(np.linalg.norm(centred)) / (n * math.sqrt(max(n - 1, 1))),
        f"{name}_random_sd": float(np.linalg.norm(_lengths(first) * _lengths(second)))
        / (n * math.sqrt(dim)),
    }


def _finite_steps(fakes: Array, reals: Array, step: Array, before: Array) -> dict[str, float]:
    """What a step of length STEP · W₂ brings, and what it brings when ``step`` is permuted.

    ``before`` holds W₂² and W₁ of the samples as they are.
    """
    length = STEP * math.sqrt(before[0])
    random = np.random.default_rng(0)
    deals = [np.arange(len(step)), *(random.permutation(len(step)) for _ in range(PERMUTATIONS))]
    if np.isnan(step).any() or length == 0:
        drops = np.full((len(deals), 2), math.nan if length else 0.0)
    else:
        after = [_distances(fakes + length * step[deal], reals) for deal in deals]
        drops = (before - np.array(after)) / length
    readings = {}
    for name, column in zip(("w2", "w1"), drops.T, strict=True):
        readings |= {
            f"usefulness_{name}_drop_step": column[0].item(),
            f"usefulness_{name}_drop_step_permuted": column[1:].mean().item(),
            f"usefulness_{name}_drop_step_permuted_sd": column[1:].std(ddof=1).item(),
        }
    return readings


def _distances(fakes: Array, reals: Array) -> Array:
    """W₂² and W₁."""
    far, near = (displacements(fakes, reals, squared) for squared in (True, False))
    return np.array([_rms(far) ** 2, _lengths(near).mean()])


def _lengths(vectors: Array) -> Array:
    return np.linalg.norm(vectors, axis=1)


def _rms(vectors: Array) -> float:
    """√E‖v‖²."""
    return math.sqrt((vectors**2).sum(1).mean())


def _directions(vectors: Array) -> Array:
    """v/‖v‖; 0 stays 0."""
    lengths = _lengths(vectors)[:, None]
    return vectors / np.where(lengths == 0, 1.0, lengths)
