"""What a training loop may do in one call: the hypotheses that ``conform`` tells apart.

A loop in PyTorch moves parameters only by an optimiser's step, and that step follows whatever lies
in ``.grad``. So a hypothesis says which steps a call takes and how gradients get into ``.grad``,
stay there and leave it; its faults are consequences, not special cases.
"""

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import NamedTuple

BATCH = 5
"""Reals and latents per call; no power of two, so that a lost or extra 1/B is seen as such."""

MOST_STEPS = ((6, 3), (5, 2), (3, 2), (2, 2))
"""(D, G) steps a call of the hypotheses with 0, 1, 2 and 3 departures; none has more."""

SIMULTANEOUS, D_THEN_G, G_THEN_D = ORDERS = ("simultaneous", "D-G", "G-D")

OPTIMISERS = ("own", "shared", "D's holds G", "G's holds D")
"""Who is stepped: each optimiser its own player, one optimiser for both, or one of the two both."""

CLEARINGS = ("before", "after", "call", "never")
"""When a phase clears its optimiser's gradients: before its backward pass, after its step, once at
the start of a call, never."""

SCALES = (1.0, 0.5, 2.0, float(BATCH))
"""Factors of a loss: as declared, halved, doubled, summed over the batch."""

SCALE_TEXTS = {0.5: "halved", 2.0: "doubled", float(BATCH): "summed over the batch, not averaged"}


class Penalty(NamedTuple):
    """Adds ``weight``·γ·(ψ - ``centre``·sign ψ) to D's gradient at every ``every``-th step of D.

    A ``separate`` penalty takes a step of its own after D's. ``mean_weight`` times γ is the
    effective γ of the convention ½γ E‖∇D‖².
    """

    text: str
    weight: float
    centre: float = 0.0
    every: int = 1
    separate: bool = False
    fault: str = ""

    @property
    def mean_weight(self) -> float:
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
"""On the Dirac-GAN ∇D is ψ everywhere: R1, R2 and a zero-centred penalty between are one."""


class Habits(NamedTuple):
    """How gradients get into the steps, with no faults by default."""

    penalty: Penalty = R1_HALF
    detached: bool = True
    """D's loss leaves no gradient in G."""
    frozen: bool = False
    """G's loss leaves no gradient in D, as with ``requires_grad_(False)`` or ``autograd.grad``."""
    optimisers: str = "own"
    clear_d: str = "before"
    clear_g: str = "before"
    scale_d: float = 1.0
    scale_g: float = 1.0
    by_module: bool = False
    """A phase clears its own player alone, as ``D.zero_grad()`` does, whoever is stepped."""

    @property
    def departures(self) -> int:
        """How many things are not as declared and as PyTorch's tutorials do them."""
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
    """One call: ``d_steps`` and ``g_steps`` in ``order``, or one step of both at once."""

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
        """What is not as declared, one phrase each."""
        h = self.habits
        found = [h.penalty.fault]
        if not h.detached:
            found.append("fakes not detached: the gradient of D's loss reaches G")
        if self.order == SIMULTANEOUS and not h.frozen:
            found.append("the gradient of G's loss reaches D's step")
        if h.optimisers == "shared":
            alone = ", but each phase clears its own player alone" if h.by_module else ""
            found.append(f"one optimiser steps G in D's phase and D in G's phase{alone}")
        if h.optimisers == "D's holds G":
            found.append("D's optimiser also steps G: G is touched in D's phase")
        if h.optimisers == "G's holds D":
            found.append("G's optimiser also steps D: D is touched in G's phase")
        for player, other, clearing in (("D", "G", h.clear_d), ("G", "D", h.clear_g)):
            how = {
                "after": f"cleared only after its step, so what {other}'s backward pass leaves in "
                f"{player} is stepped",
                "call": "cleared only once a call, so that they add up within it",
                "never": "never cleared (missing zero_grad), so that they add up",
            }
            if clearing != "before":
                found.append(f"{player}'s gradients are {how[clearing]}")
        for player, scale in (("D", h.scale_d), ("G", h.scale_g)):
            if scale != 1:
                found.append(f"{player}'s loss is {SCALE_TEXTS[scale]}")
        return tuple(text for text in found if text)

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

    Where one player rests, one order is enough.
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
    """All habits with exactly that many departures; without a γ there is no penalty to tell."""
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
    found = []
    for way in ways:
        plain = Habits(NO_PENALTY, *way)
        if plain.by_module and plain.optimisers == "own":
            continue
        left = departures - plain.departures - (simultaneous and not plain.frozen)
        if left in (0, 1):
            found += [Habits(p, *way) for p in penalties if bool(p.fault) == left]
    return tuple(found)
