"""Games: each maps its players to losses of a profile and a draw.

A game whose builder has the name of its file (``dirac``, ``quadratic``) is exported by ``vral``;
``vral.games.dirac`` is the module.
"""

from typing import TYPE_CHECKING

from vral import lazy

if TYPE_CHECKING:
    from vral.games.adapt import make_gan as make_gan
    from vral.games.fused import FusedGan as FusedGan
    from vral.games.fused import FusedMetaGan as FusedMetaGan
    from vral.games.game import Game as Game
    from vral.games.game import Loss as Loss
    from vral.games.game import field as field
    from vral.games.gan import Gan as Gan
    from vral.games.meta import MetaDiscriminator as MetaDiscriminator
    from vral.games.meta import MetaGan as MetaGan
    from vral.games.meta import MetaPair as MetaPair
    from vral.games.planar import manifold as manifold
    from vral.games.planar import mixture as mixture
    from vral.games.quadratic import bilinear as bilinear
    from vral.games.quadratic import scalar_quadratic as scalar_quadratic
    from vral.games.toy import Toy as Toy

__getattr__, __dir__, __all__ = lazy.exports(
    __name__,
    {
        "vral.games.adapt": ["make_gan"],
        "vral.games.fused": ["FusedGan", "FusedMetaGan"],
        "vral.games.game": ["Game", "Loss", "field"],
        "vral.games.gan": ["Gan"],
        "vral.games.meta": ["MetaDiscriminator", "MetaGan", "MetaPair"],
        "vral.games.planar": ["manifold", "mixture"],
        "vral.games.quadratic": ["bilinear", "scalar_quadratic"],
        "vral.games.toy": ["Toy"],
    },
)
