"""Update rules: solvers that are handed the game's vector field as a function."""

from vral.optim.first_order import RULES, Transform, clipped_whole, held
from vral.optim.rule import Field, Rule, first_order

__all__ = ["RULES", "Field", "Rule", "Transform", "clipped_whole", "first_order", "held"]
