"""The hypotheses on what a training loop does in one call.

A loop in PyTorch moves parameters only by an optimiser's step, and that step follows the contents
of ``.grad``. So a hypothesis composes independent habits: which steps a call makes; how gradients
get into ``.grad``, stay there and are cleared (``Habits``); of which losses they are (``Loss``);
and how they become moves (``Manner``).
"""

from collections.abc import Iterator
from functools import cache
from itertools import product
from math import inf
from typing import NamedTuple

from vral.conformance.losses import DECLARED

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

OPTIMISER_KINDS = SGD, MOMENTUM, NESTEROV, ADAM, RMSPROP = (
    "sgd",
    "momentum",
    "nesterov",
    "adam",
    "rmsprop",
)
"""Optimisers that are told apart, with PyTorch's formulas."""

NOT_ADAPTIVE = (SGD, MOMENTUM, NESTEROV)
"""Those whose steps are linear in the gradients."""

EPSILON = 1e-8
"""The ε of Adam and RMSprop, PyTorch's default."""

AFTER, BEFORE = "after", "before"


SOFTPLUS, SIGMOID = "softplus", "sigmoid"
THROUGH = {SOFTPLUS: 1 / 4, SIGMOID: 1 / 16}
"""Square of the slope at 0 of the functions through which ∇D is taken by mistake."""


class Penalty(NamedTuple):
    """A penalty of D on the Dirac-GAN.

    It adds ``weight``·γ·(ψ - ``centre``·sign ψ) to D's gradient at every ``every``-th step of D. A
    ``separate`` penalty makes a further step after D's. ``mean_weight`` times γ is the effective γ
    of the convention ½γ E‖∇D‖², for a penalty ``through`` a function that at the equilibrium.
    """

    text: str
    weight: float
    centre: float = 0.0
    every: int = 1
    separate: bool = False
    through: str = ""
    """A function of the logit, "softplus" or "sigmoid", whose ∇ is penalised instead of ∇D."""
    fault: str = ""

    @property
    def standard(self) -> bool:
        """Whether it has the form with ½ and acts at every step of D."""
        plain = self.every == 1 and not (self.separate or self.fault)
        return plain and self.weight == 1

    def times(self, factor: float) -> "Penalty":
        """This penalty with a weight of the user's own."""
        form = "½γ·E(‖∇D‖ - 1)², centred at 1" if self.centre else "½γ·E‖∇D‖²"
        return self._replace(
            text=f"{factor:g} times {form}",
            weight=self.weight * factor,
            fault=f"the penalty weighs {factor:g} times {form}, not 1 or 2 times",
        )

    @property
    def mean_weight(self) -> float:
        """The weight of the penalty, averaged over D's steps; at D = 0 if it is ``through``."""
        return self.weight / self.every * THROUGH.get(self.through, 1.0)


def _gradient_of(text: str, factor: float = 1.0, through: str = "") -> Iterator[Penalty]:
    for form, weight in (("½γ·E‖∇D‖²", 1.0), ("γ·E‖∇D‖²", 2.0)):
        yield Penalty(f"{form} {text}", weight * factor, through=through, fault=f"R1 {text}")


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
    *_gradient_of(
        "with ∇D taken after a softplus: a factor σ(-D)², 1/4 at D = 0", through=SOFTPLUS
    ),
    *_gradient_of("with ∇D taken after a sigmoid: a factor σ'(D)², 1/16 at D = 0", through=SIGMOID),
    *_gradient_of("with ∇D of the mean score: a factor 1/B²", 1 / BATCH**2),
    *_gradient_of("summed over the batch: a factor B", float(BATCH)),
)
"""The penalties that are told apart where D is straight: ∇D is ψ everywhere, so it does not matter
whether it is taken at reals, at fakes or between them. PLACES are told apart by a curved D."""

REALS, FAKES, BOTH, BETWEEN, WEIGHT = PLACES = ("reals", "fakes", "both", "between", "weight")
"""Where a penalty takes ∇D: "both" is the mean over reals and fakes, "weight" is ψ itself."""


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


class Rule(NamedTuple):
    """A player's optimiser: its kind, its step size over h, its decay rates, and ε.

    ``first`` is the momentum or Adam's β₁, ``second`` Adam's β₂ or RMSprop's α.
    """

    kind: str = SGD
    step: float = 1.0
    first: float = 0.0
    second: float = 0.0
    epsilon: float = EPSILON


class Timing(NamedTuple):
    """A player moves in the calls (from 0) that leave ``rest`` when divided by ``every``."""

    every: int = 1
    rest: int = 0

    def due(self, call: int) -> bool:
        """Whether the player moves in this call."""
        return call % self.every == self.rest


class Manner(NamedTuple):
    """How gradients become moves: two optimisers, when they step, and D's weight clipping."""

    rule_d: Rule = Rule()
    rule_g: Rule = Rule()
    timing_d: Timing = Timing()
    timing_g: Timing = Timing()
    clip: float = inf
    clipped: str = AFTER
    """When D's weight is clipped to ±``clip``: AFTER or BEFORE each of its steps."""

    @property
    def departures(self) -> int:
        """Number of things that are not plain gradient descent with the given step size."""
        d, g = self.rule_d, self.rule_g
        return (
            len({d.kind, g.kind} - {SGD})
            + len({d.step, g.step} - {1.0})
            + len({d.epsilon, g.epsilon} - {EPSILON})
            + (self.clip < inf)
            + (self.clip < inf and self.clipped == BEFORE)
        )


class Loss(NamedTuple):
    """What D and G minimise: keys of ``d_losses`` and ``g_losses``, and numbers in them.

    D's slope at reals is multiplied by ``weight_real`` and shifted by ``shift_real``; its slope at
    fakes and G's slope likewise.
    """

    d: str = DECLARED
    g: str = DECLARED
    weight_real: float = 1.0
    shift_real: float = 0.0
    weight_fake: float = 1.0
    shift_fake: float = 0.0
    shift_g: float = 0.0

    @property
    def departures(self) -> int:
        """Number of things that are not as declared."""
        return len({self.d, self.g} - {DECLARED}) + sum(
            number != default for number, default in zip(self[2:], Loss()[2:], strict=True)
        )


class Hypothesis(NamedTuple):
    """A call that makes ``d_steps`` and ``g_steps`` in ``order``, or one step of both at once."""

    order: str
    d_steps: int
    g_steps: int
    habits: Habits
    loss: Loss = Loss()
    manner: Manner = Manner()

    @property
    def departures(self) -> int:
        """Number of things that are not as declared, or not as in PyTorch's tutorials."""
        mixed = self.order == SIMULTANEOUS and not self.habits.frozen
        return self.habits.departures + mixed + self.loss.departures + self.manner.departures


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
