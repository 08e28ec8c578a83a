"""Update rules: solvers that are handed the game's vector field as a function."""

from vral.optim.consensus import Consensus
from vral.optim.extragradient import Extragradient
from vral.optim.gradient_norm import NagarajanKolter, Smooth
from vral.optim.optimistic import Optimistic
from vral.optim.rule import Direction, FirstOrder, Following, Rule, VectorField
from vral.optim.rules import RULES
from vral.optim.symplectic import Symplectic
from vral.optim.transforms import (
    TRANSFORMS,
    Adam,
    ClippedWhole,
    Momentum,
    RmsProp,
    Sgd,
    Still,
    Transform,
)
from vral.optim.unrolled import Unrolled

__all__ = [
    "RULES",
    "TRANSFORMS",
    "Adam",
    "ClippedWhole",
    "Consensus",
    "Direction",
    "Extragradient",
    "FirstOrder",
    "Following",
    "Momentum",
    "NagarajanKolter",
    "Optimistic",
    "RmsProp",
    "Rule",
    "Sgd",
    "Smooth",
    "Still",
    "Symplectic",
    "Transform",
    "Unrolled",
    "VectorField",
]
