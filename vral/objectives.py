"""Objectives that are functions of D's raw scores, one by one or in pairs.

D minimises ``E real(D(x)) + E fake(D(G(z)))`` and G minimises ``E generator(D(G(z)))``. Logarithms
of a sigmoid are written as softplus, so that a gradient survives at scores of ±60, where that of
``log(sigmoid(s) + 1e-8)`` is lost.

A paired objective judges the difference of two scores: D minimises ``E discriminator(D(x) -
D(G(z)))`` and G minimises ``E generator(D(G(z)) - D(x))`` over pairs of a real and a fake sample.

OBJECTIVES and PAIRED hold them by name. To add one, add a row here and its closed form to
``tests/oracles.py``.
"""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor
from torch.nn.functional import relu, softplus

ScoreFunction = Callable[[Tensor], Tensor]


class Objective(NamedTuple):
    """What D and G minimise: three elementwise functions of D's raw score.

    Each maps a tensor of scores of any shape, usually (batch,), to losses of the same shape. Raises
    nothing. Source: ``source`` names the paper and, where it matters, its equation or its codes,
    e.g. Goodfellow et al. 2014.
    """

    real: ScoreFunction
    """D's loss at the score of a real sample."""
    fake: ScoreFunction
    """D's loss at the score of a fake sample."""
    generator: ScoreFunction
    """G's loss at the score of a fake sample."""
    source: str
    """Paper or code that the objective was taken from."""


OBJECTIVES: dict[str, Objective] = {
    "standard": Objective(
        real=lambda s: softplus(-s),
        fake=softplus,
        generator=lambda s: -softplus(s),
        source="Goodfellow et al. 2014, the minimax (saturating) game",
    ),
    "nonsaturating": Objective(
        real=lambda s: softplus(-s),
        fake=softplus,
        generator=lambda s: softplus(-s),
        source="Goodfellow et al. 2014, section 3: G minimises -log D",
    ),
    "lsgan": Objective(
        real=lambda s: 0.5 * (s - 1) ** 2,
        fake=lambda s: 0.5 * (s + 1) ** 2,
        generator=lambda s: 0.5 * (s - 1) ** 2,
        source="Mao et al. 2017, codes -1 and +1 as in the VRAL code",
    ),
    "lsgan-01": Objective(
        real=lambda s: 0.5 * (s - 1) ** 2,
        fake=lambda s: 0.5 * s**2,
        generator=lambda s: 0.5 * (s - 1) ** 2,
        source="Mao et al. 2017, codes 0 and 1",
    ),
    "wgan": Objective(
        real=lambda s: -s,
        fake=lambda s: s,
        generator=lambda s: -s,
        source="Arjovsky et al. 2017",
    ),
    "hinge": Objective(
        real=lambda s: relu(1 - s),
        fake=lambda s: relu(1 + s),
        generator=lambda s: -s,
        source="Lim and Ye 2017",
    ),
    "bgan": Objective(
        real=lambda s: softplus(-s),
        fake=softplus,
        generator=lambda s: 0.5 * s**2,
        source="Hjelm et al. 2018, continuous boundary-seeking GAN",
    ),
}


class PairedObjective(NamedTuple):
    """What D and G minimise where every fake sample is judged beside a real one.

    Both functions map differences of raw scores, of any shape, usually (batch,), to losses of the
    same shape. The i-th real sample of a batch is paired with the i-th fake one; both are drawn
    independently, so that any pairing has the same expectation. Raises nothing. Source: ``source``
    names the paper, e.g. Jolicoeur-Martineau 2018.
    """

    discriminator: ScoreFunction
    """D's loss at D(x) - D(G(z))."""
    generator: ScoreFunction
    """G's loss at D(G(z)) - D(x)."""
    source: str
    """Paper or code that the objective was taken from."""


PAIRED: dict[str, PairedObjective] = {
    "relativistic": PairedObjective(
        discriminator=lambda t: softplus(-t),
        generator=lambda t: softplus(-t),
        source="Jolicoeur-Martineau 2018, the relativistic pair; R3GAN adds R1 and R2 to it",
    ),
}

EVERY: dict[str, Objective | PairedObjective] = {**OBJECTIVES, **PAIRED}
"""Objectives of scores one by one and in pairs, by name."""
