"""What a user expects of a trainer, as text, and what of it is not so."""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from vral.conformance.conform import Conformance
from vral.conformance.hypotheses import (
    ADAM,
    FAKES,
    MOMENTUM,
    MOST_STEPS,
    NESTEROV,
    OPTIMISER_KINDS,
    ORDERS,
    PLACES,
    REALS,
    RMSPROP,
    Hypothesis,
)
from vral.conformance.losses import AVERAGE, DECLARED, LABELS, PAIR
from vral.conformance.wording import faults, loss_name, scores_high_on
from vral.errors import ConfigError
from vral.objectives import OBJECTIVES

NONE = "none"


class Key(NamedTuple):
    """What may be expected under a key, and how it is read."""

    read: Callable[[Hypothesis, Conformance], str | float]
    words: tuple[str, ...] = ()
    number: bool = False
    """Whether a number is allowed beside the ``words``."""


def _decay(index: str, *kinds: str) -> Callable[[Hypothesis, Conformance], str | float]:
    def read(match: Hypothesis, _: Conformance) -> str | float:
        d, g = match.manner.rule_d, match.manner.rule_g
        if d.kind not in kinds or g.kind not in kinds:
            return NONE
        one, other = getattr(d, index), getattr(g, index)
        return one if one == other else f"D {one:g}, G {other:g}"

    return read


def _optimiser(match: Hypothesis, _: Conformance) -> str:
    d, g = match.manner.rule_d.kind, match.manner.rule_g.kind
    return d if d == g else f"D {d}, G {g}"


def _gamma(match: Hypothesis, found: Conformance) -> str | float:
    penalty = match.habits.penalty
    effective = found.setting.gamma * penalty.mean_weight
    return f"effective γ {effective:g} centred at 1" if penalty.centre else effective


def _label(which: int) -> Callable[[Hypothesis, Conformance], str | float]:
    def read(match: Hypothesis, found: Conformance) -> str | float:
        declared = LABELS.get(found.setting.objective)
        if declared is None or match.loss.d != DECLARED:
            return NONE
        return declared[which] - (match.loss.shift_real, match.loss.shift_fake)[which]

    return read


EXPECTATIONS = {
    "order": Key(lambda m, _: m.order, ORDERS),
    "d_steps": Key(lambda m, _: str(m.d_steps), tuple(map(str, range(MOST_STEPS[0][0] + 1)))),
    "g_steps": Key(lambda m, _: str(m.g_steps), tuple(map(str, range(MOST_STEPS[0][1] + 1)))),
    "d_every": Key(lambda m, _: m.manner.timing_d.every, number=True),
    "g_every": Key(lambda m, _: m.manner.timing_g.every, number=True),
    "gamma": Key(_gamma, (NONE, "half", "full"), number=True),
    "penalty_on": Key(lambda _, found: found.penalty_on or NONE, (NONE, *PLACES)),
    "optimiser": Key(_optimiser, OPTIMISER_KINDS),
    "momentum": Key(_decay("first", MOMENTUM, NESTEROV), (NONE,), number=True),
    "beta1": Key(_decay("first", ADAM), (NONE,), number=True),
    "beta2": Key(_decay("second", ADAM, RMSPROP), (NONE,), number=True),
    "ttur": Key(lambda m, _: m.manner.rule_d.step / m.manner.rule_g.step, number=True),
    "clip": Key(lambda m, _: m.manner.clip if m.manner.clip < math.inf else NONE, (NONE,), True),
    "loss": Key(
        lambda m, found: loss_name(m, found.setting.objective),
        (DECLARED, PAIR, AVERAGE, *OBJECTIVES, "other"),
    ),
    "label_real": Key(_label(0), (NONE,), number=True),
    "label_fake": Key(_label(1), (NONE,), number=True),
    "scores": Key(lambda m, _: scores_high_on(m), (REALS, FAKES)),
    "faults": Key(lambda m, found: "; ".join(faults(m, found.setting.objective)) or NONE, (NONE,)),
}
"""Keys of an expectation. Of ``gamma``, "half" is ½γ·E‖∇D‖² and "full" γ·E‖∇D‖²; ``ttur`` is D's
step size over G's, ``d_every`` the k of a D that moves at every k-th call."""


def parse_expectation(text: str) -> dict[str, str]:
    """The dict of an expectation ``text``: ``key=value`` pairs, separated by commas.

    Raises:
        ConfigError: an unknown key, or a value that it cannot have.
    """
    expected = {}
    for piece in text.split(","):
        key, _, value = (part.strip() for part in piece.partition("="))
        if key not in EXPECTATIONS:
            keys = ", ".join(EXPECTATIONS)
            raise ConfigError(f"expect: {piece!r} given; allowed: key=value with key of {keys}")
        _, words, number = EXPECTATIONS[key]
        given = _number(value)
        least = -math.inf if key.startswith("label") else 0
        if value not in words and not (number and given is not None and given >= least):
            range_ = "a number" if least < 0 else "a number from 0 up"
            allowed = ", ".join((*words, *(range_,) * number))
            raise ConfigError(f"expect: {piece!r} given; allowed for {key}: {allowed}")
        expected[key] = value
    return expected


def _number(text: str) -> float | None:
    """The finite number in ``text``, or None."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def unmet(found: Conformance, expected: Mapping[str, str]) -> list[str]:
    """The expectations that the best match does not meet, one line each; none if it meets all.

    Where a second step size and a scaled loss cannot be told apart, only who expects a ``ttur``
    is believed to have the former.
    """
    if not found.matches:
        return ["no hypothesis matches"]
    equal = [m for m in found.matches if m.manner.rule_d.step == m.manner.rule_g.step]
    candidates = found.matches if "ttur" in expected or not equal else equal
    return min((_misses(match, found, expected) for match in candidates), key=len)


def _misses(match: Hypothesis, found: Conformance, expected: Mapping[str, str]) -> list[str]:
    gamma = found.setting.gamma
    meanings = {NONE: 0.0, "half": gamma, "full": 2 * gamma}
    lines = []
    for key, value in expected.items():
        seen = EXPECTATIONS[key].read(match, found)
        wanted = meanings.get(value) if key == "gamma" else None
        wanted = _number(value) if wanted is None else wanted
        if wanted is not None and isinstance(seen, float | int):
            fulfilled = math.isclose(seen, wanted, rel_tol=1e-6, abs_tol=1e-9)
        else:
            fulfilled = seen == value
        if not fulfilled:
            text = seen if isinstance(seen, str) else f"{seen:g}"
            lines.append(
                f"expected {key}={value}, found "
                + (f"effective γ {text}" if key == "gamma" and not isinstance(seen, str) else text)
            )
    return lines
