"""What D and G may minimise instead of the declared objective: functions of both scores."""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from vral.objectives import OBJECTIVES

PairLoss = Callable[[Tensor, Tensor], Tensor]
"""(scores of reals, scores of fakes) to losses of the same shape, elementwise."""

DECLARED, NEGATED, SWAPPED, ASCENT = "declared", "negated", "swapped", "ascent"
PAIR, AVERAGE = "relativistic-pair", "relativistic-average"
REAL_OF, FAKE_OF = "real of ", "fake of "

LABELS = {
    "standard": (1.0, 0.0),
    "nonsaturating": (1.0, 0.0),
    "bgan": (1.0, 0.0),
    "lsgan": (1.0, -1.0),
    "lsgan-01": (1.0, 0.0),
}
"""D's labels for reals and fakes, where the slope of D's loss is a function of the score minus the
label: cross-entropy and least squares. Another label shifts that slope by a constant."""

G_LABELS = ("nonsaturating", "lsgan", "lsgan-01")
"""Objectives whose G gives fakes the label 1 in such a loss."""

GRID = torch.cartesian_prod(*2 * [torch.tensor([-2.5, -0.9, -0.2, 0.3, 0.7, 1.8]).double()]).T
"""Pairs of scores at which losses of different slopes differ."""


class Kind(NamedTuple):
    """A loss, and all names under which it was met."""

    function: PairLoss
    names: tuple[str, ...]


def slopes(function: PairLoss, reals: Tensor, fakes: Tensor) -> tuple[Tensor, Tensor]:
    """Derivatives of an elementwise loss by the scores of reals and of fakes."""
    scores = reals.detach().requires_grad_(), fakes.detach().requires_grad_()
    total = function(*scores).sum()
    real, fake = torch.autograd.grad(total, scores, allow_unused=True)
    return (
        torch.zeros_like(reals) if real is None else real,
        torch.zeros_like(fakes) if fake is None else fake,
    )


@cache
def d_losses(objective: str) -> dict[str, Kind]:
    """The losses that D may have; the declared one is the first."""
    o = OBJECTIVES[objective]
    kinds: dict[str, PairLoss] = {
        DECLARED: lambda r, f: o.real(r) + o.fake(f),
        NEGATED: lambda r, f: o.real(-r) + o.fake(-f),
        SWAPPED: lambda r, f: o.fake(r) + o.real(f),
        ASCENT: lambda r, f: -o.real(r) - o.fake(f),
        PAIR: lambda r, f: o.real(r - f),
        AVERAGE: lambda r, f: o.real(r - f) + o.fake(f - r),
        "fakes' loss on reals": lambda r, f: o.fake(r) + o.fake(f),
        "reals' loss on fakes": lambda r, f: o.real(r) + o.real(f),
    }
    for name, p in OBJECTIVES.items():
        kinds[name] = lambda r, f, p=p: p.real(r) + p.fake(f)
    for name, p in OBJECTIVES.items():
        kinds[REAL_OF + name] = lambda r, f, p=p: p.real(r) + o.fake(f)
        kinds[FAKE_OF + name] = lambda r, f, p=p: o.real(r) + p.fake(f)
    return _different(kinds, lambda loss: torch.stack(slopes(loss, *GRID)))


@cache
def g_losses(objective: str) -> dict[str, Kind]:
    """The losses that G may have; the declared one is the first."""
    o = OBJECTIVES[objective]
    kinds: dict[str, PairLoss] = {
        DECLARED: lambda r, f: o.generator(f),
        NEGATED: lambda r, f: o.generator(-f),
        ASCENT: lambda r, f: -o.generator(f),
        PAIR: lambda r, f: o.real(f - r),
        AVERAGE: lambda r, f: o.real(f - r) + o.fake(r - f),
    }
    for name, p in OBJECTIVES.items():
        kinds[name] = lambda r, f, p=p: p.generator(f)
    return _different(kinds, lambda loss: slopes(loss, *GRID)[1])


def _different(
    kinds: dict[str, PairLoss], measured: Callable[[PairLoss], Tensor]
) -> dict[str, Kind]:
    """One kind for each set of slopes; twice the declared loss is left to the scales of a loss."""
    kept: dict[str, Kind] = {}
    known: dict[str, Tensor] = {}
    for name, function in kinds.items():
        these = measured(function)
        if known and torch.allclose(these, 2 * known[DECLARED]):
            continue
        same = [key for key, other in known.items() if torch.allclose(these, other)]
        if same:
            kept[same[0]] = kept[same[0]]._replace(names=(*kept[same[0]].names, name))
        else:
            kept[name], known[name] = Kind(function, (name,)), these
    return kept
