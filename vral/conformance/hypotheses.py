"""The hypotheses on what a training loop does in one call.

A loop in PyTorch moves parameters only by an optimiser's step, and that step follows the contents
of ``.grad``. So a hypothesis says which steps a call makes, and how gradients get into ``.grad``,
stay there and are cleared. Its faults are consequences of these, not special cases.
"""

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import NamedTuple

BATCH = 5
"""Reals and latents in a call. It is no power of two, so that a wrong factor 1/B is recognised."""

MOST_STEPS = ((6, 3), (5, 2), (3, 2), (2, 2))
"""The most (D, G) steps in a call of hypotheses with 0, 1, 2 and 3 departures."""

SIMULTANEOUS, D_THEN_G, G_THEN_D = ORDERS = ("simultaneous", "D-G", "G-D")

OPTIMISERS = ("own", "shared", "D's holds G", "G's holds D")
"""What an optimiser steps: its player, both players with one optimiser, or D's (G's) both."""

CLEARINGS = ("before", "after", "call", "never")
"""When a phase clears its optimiser's gradients: before its backward pass, after its step, once at
the start of a call, never."""

SCALES = (1.0, 0.5, 2.0, float(BATCH))
"""Factors of a loss: none, a half, two, and that of a sum over the batch."""

SCALE_TEXTS = {0.5: "halved", 2.0: "doubled", float(BATCH): "summed over the batch, not averaged"}


class Penalty(NamedTuple):
    """A penalty of D on the Dirac-GAN.

    It adds ``weight``·γ·(ψ - ``centre``·sign ψ) to D's gradient at every ``every``-th step of D. A
    ``separate`` penalty makes a further step after D's. ``mean_weight`` times γ is the effective γ
    of the convention ½γ E‖∇D‖².
    """

    text: str
    weight: float
    centre: float = 0.0
    every: int = 1
    separate: bool = False
    fault: str = ""

    @property
    def mean_weight(self) -> float:
        """The weight of the penalty, averaged over D's steps."""
        return self.weight / self.every


def _gradient_of(text: str, factor: float) -> Iterator[Penalty]:
    for form, weight in (("½γ·E‖∇D‖²", 1.0), ("γ·E‖∇D‖²", 2.0)):
        yield Penalty(f"{form} {text}", weight * factor, fault=f"R1 {text}")


def _lazy(every: int, separate: bool) -> Iterator[Penalty]:
    when = f"every {every} D steps" if every > 1 else "every D step"
    way = f"{when}, in a step of its own" if separate else when
    for gain in dict.fromkeys((every, 1)):
        lost = f"lazy R1 without its gain: {when}, but weighted as if at each"
        for form, weight in (("½γ·E‖∇D‖²", 1.0), ("γ·E‖∇D‖²", 2.0)):
            yield Penalty(
                f"{gain}·{form} {way}" if gain > 1 else f"{form} {way}",
                weight * gain,
                every=every,
                separate=separate,
                fault=lost if gain < every else "",
            )


NO_PENALTY = Penalty("none", 0.0)
R1_HALF = Penalty("½γ·E‖∇D‖², as in the papers and StyleGAN2", 1.0)
R1_FULL = Penalty(
    "γ·E‖∇D‖² without the ½ (as in GAN_stability), or with it on reals and on fakes", 2.0
)

PENALTIES: tuple[Penalty, ...] = (
    NO_PENALTY,
    R1_HALF,
    R1_FULL,
    *(lazy for every in (2, 4, 8, 16) for lazy in _lazy(every, separate=False)),
    *(lazy for every in (1, 2, 4, 8, 16) for lazy in _lazy(every, separate=True)),
    Penalty("½γ·E(‖∇D‖ - 1)², centred at 1", 1.0, centre=1.0),
    Penalty("γ·E(‖∇D‖ - 1)², centred at 1 (WGAN-GP)", 2.0, centre=1.0),
    Penalty("γ·E‖∇D‖² without the ½, on reals and on fakes", 4.0),
    *_gradient_of("with ∇D taken after a softplus: a factor σ(0)² = 1/4 on reals", 1 / 4),
    *_gradient_of("with ∇D taken after a sigmoid: a factor σ'(0)² = 1/16 on reals", 1 / 16),
    *_gradient_of("with ∇D of the mean score: a factor 1/B²", 1 / BATCH**2),
    *_gradient_of("summed over the batch: a factor B", float(BATCH)),
)
"""The penalties that are told apart. On the Dirac-GAN ∇D is ψ everywhere, so R1, R2 and a
zero-centred penalty between reals and fakes are the same."""


class Habits(NamedTuple):
    """How gradients get into the steps; the defaults are faultless."""

    penalty: Penalty = R1_HALF
    detached: bool = True
    """Whether D's loss leaves no gradient in G."""
    frozen: bool = False
    """Whether G's loss leaves no gradient in D (``requires_grad_(False)``, ``autograd.grad``)."""
    optimisers: str = "own"
    clear_d: str = "before"
    clear_g: str = "before"
    scale_d: float = 1.0
    scale_g: float = 1.0
    by_module: bool = False
    """Whether a phase clears its player alone, as ``D.zero_grad()`` does, whatever is stepped."""

    @property
    def departures(self) -> int:
        """Number of things that are not as declared, or not as in PyTorch's tutorials."""
        return (
            bool(self.penalty.fault)
            + (not self.detached)
            + (self.optimisers != "own")
            + (self.clear_d != "before")
            + (self.clear_g != "before")
            + (self.scale_d != 1)
            + (self.scale_g != 1)
        )


class Hypothesis(NamedTuple):
    """A call that makes ``d_steps`` and ``g_steps`` in ``order``, or one step of both at once."""

    order: str
    d_steps: int
    g_steps: int
    habits: Habits

    @property
    def departures(self) -> int:
        mixed = self.order == SIMULTANEOUS and not self.habits.frozen
        return self.habits.departures + mixed

    @property
    def faults(self) -> tuple[str, ...]:
        """What is not as declared, in one phrase each."""
        h = self.habits
        faults = [h.penalty.fault]
        if not h.detached:
            faults.append("fakes not detached: the gradient of D's loss reaches G")
        if self.order == SIMULTANEOUS and not h.frozen:
            faults.append("the gradient of G's loss reaches D's step")
        if h.optimisers == "shared":
            alone = ", but each phase clears its own player alone" if h.by_module else ""
            faults.append(f"one optimiser steps G in D's phase and D in G's phase{alone}")
        if h.optimisers == "D's holds G":
            faults.append("D's optimiser also steps G: G is touched in D's phase")
        if h.optimisers == "G's holds D":
            faults.append("G's optimiser also steps D: D is touched in G's phase")
        for player, other, clearing in (("D", "G", h.clear_d), ("G", "D", h.clear_g)):
            how = {
                "after": f"cleared only after its step, so what {other}'s backward pass leaves in "
                f"{player} is stepped",
                "call": "cleared only once a call, so that they add up within it",
                "never": "never cleared (missing zero_grad), so that they add up",
            }
            if clearing != "before":
                faults.append(f"{player}'s gradients are {how[clearing]}")
        for player, scale in (("D", h.scale_d), ("G", h.scale_g)):
            if scale != 1:
                faults.append(f"{player}'s loss is {SCALE_TEXTS[scale]}")
        return tuple(fault for fault in faults if fault)

    @property
    def scheme(self) -> str:
        """Order and numbers of steps in words."""
        counts = f"{_count(self.d_steps, 'D')} and {_count(self.g_steps, 'G')} a call"
        if self.order == SIMULTANEOUS:
            return "simultaneous, one step of D and G a call"
        if not (self.d_steps and self.g_steps):
            return f"only {'D' if self.d_steps else 'G'} moves: {counts}"
        first, last = self.order.split("-")
        return f"alternating, {first} then {last}, {counts}"


def _count(number: int, player: str) -> str:
    return f"{number} {player} step{'s' * (number != 1)}"


@cache
def programs(departures: int) -> tuple[tuple[str, int, int], ...]:
    """(order, d_steps, g_steps) of the hypotheses with that many departures.

    If one player does not move, one order stands for both.
    """
    most_d, most_g = MOST_STEPS[departures]
    alternating = [
        (order, d_steps, g_steps)
        for d_steps, g_steps in product(range(most_d + 1), range(most_g + 1))
        for order in (D_THEN_G, G_THEN_D)
        if d_steps + g_steps and (order == D_THEN_G or d_steps * g_steps)
    ]
    return ((SIMULTANEOUS, 1, 1), *alternating)


@cache
def candidates(departures: int, simultaneous: bool, penalised: bool) -> tuple[Habits, ...]:
    """All habits with exactly that many departures.

    ``penalised`` says whether γ is positive; otherwise there is no penalty to recognise.
    """
    penalties = PENALTIES if penalised else (NO_PENALTY,)
    optimisers = ("own",) if simultaneous else OPTIMISERS
    ways = product(
        (True, False),
        (False, True),
        optimisers,
        CLEARINGS,
        CLEARINGS,
        SCALES,
        SCALES,
        (False, True),
    )
    habits = []
    for way in ways:
        plain = Habits(NO_PENALTY, *way)
        if plain.by_module and plain.optimisers == "own":
            continue
        left = departures - plain.departures - (simultaneous and not plain.frozen)
        if left in (0, 1):
            habits += [Habits(p, *way) for p in penalties if bool(p.fault) == left]
    return tuple(habits)
