"""Update rules: solvers that are handed the game's vector field as a function."""

from typing import TYPE_CHECKING

from vral import lazy

if TYPE_CHECKING:
    from vral.optim.consensus import Consensus as Consensus
    from vral.optim.extragradient import Extragradient as Extragradient
    from vral.optim.gradient_norm import NagarajanKolter as NagarajanKolter
    from vral.optim.gradient_norm import Smooth as Smooth
    from vral.optim.optimistic import Optimistic as Optimistic
    from vral.optim.rule import Direction as Direction
    from vral.optim.rule import FirstOrder as FirstOrder
    from vral.optim.rule import Following as Following
    from vral.optim.rule import Rule as Rule
    from vral.optim.rule import VectorField as VectorField
    from vral.optim.rules import RULES as RULES
    from vral.optim.symplectic import Symplectic as Symplectic
    from vral.optim.transforms import TRANSFORMS as TRANSFORMS
    from vral.optim.transforms import Adam as Adam
    from vral.optim.transforms import ClippedWhole as ClippedWhole
    from vral.optim.transforms import Momentum as Momentum
    from vral.optim.transforms import RmsProp as RmsProp
    from vral.optim.transforms import Sgd as Sgd
    from vral.optim.transforms import Still as Still
    from vral.optim.transforms import Transform as Transform
    from vral.optim.unrolled import Unrolled as Unrolled

__getattr__, __dir__, __all__ = lazy.exports(
    __name__,
    {
        "vral.optim.consensus": ["Consensus"],
        "vral.optim.extragradient": ["Extragradient"],
        "vral.optim.gradient_norm": ["NagarajanKolter", "Smooth"],
        "vral.optim.optimistic": ["Optimistic"],
        "vral.optim.rule": ["Direction", "FirstOrder", "Following", "Rule", "VectorField"],
        "vral.optim.rules": ["RULES"],
        "vral.optim.symplectic": ["Symplectic"],
        "vral.optim.transforms": [
            "TRANSFORMS",
            "Adam",
            "ClippedWhole",
            "Momentum",
            "RmsProp",
            "Sgd",
            "Still",
            "Transform",
        ],
        "vral.optim.unrolled": ["Unrolled"],
    },
)
