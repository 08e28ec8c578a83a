"""Update rules: solvers that are handed the game's vector field as a function."""

from vral.optim.rule import Field, Rule, extragradient, first_order
from vral.optim.rules import RULES
from vral.optim.transforms import TRANSFORMS, Transform, clipped_whole, held

__all__ = [
    "RULES",
    "TRANSFORMS",
    "Field",
    "Rule",
    "Transform",
    "clipped_whole",
    "extragradient",
    "first_order",
    "held",
]
