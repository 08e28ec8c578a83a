"""Objectives that are three functions of D's raw score.

D minimises ``E real(D(x)) + E fake(D(G(z)))`` and G minimises ``E generator(D(G(z)))``. The
logarithms of a sigmoid are written as softplus, so that a gradient survives at scores of ±60 where
``log(sigmoid(s) + 1e-8)`` has lost it.
"""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor
from torch.nn.functional import relu, softplus

ScoreFunction = Callable[[Tensor], Tensor]


class Objective(NamedTuple):
    """One row: elementwise functions of a raw score, any shape to the same shape."""

    real: ScoreFunction
    fake: ScoreFunction
    generator: ScoreFunction
    source: str


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
