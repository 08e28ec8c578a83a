"""A hypothesis, and what was seen where none agrees, in plain words."""

from collections.abc import Mapping, Sequence
from math import inf

from torch import Tensor

from vral.conformance.dynamics import Setting
from vral.conformance.fit import Side
from vral.conformance.hypotheses import (
    ADAM,
    BATCH,
    BEFORE,
    BETWEEN,
    BOTH,
    EPSILON,
    FAKES,
    MOMENTUM,
    NESTEROV,
    NOT_ADAPTIVE,
    REALS,
    RMSPROP,
    SGD,
    SIMULTANEOUS,
    WEIGHT,
    Hypothesis,
    Loss,
    Rule,
    Timing,
)
from vral.conformance.losses import (
    ASCENT,
    AVERAGE,
    DECLARED,
    FAKE_OF,
    LABELS,
    NEGATED,
    PAIR,
    REAL_OF,
    SWAPPED,
    d_losses,
    g_losses,
    slopes,
)
from vral.conformance.search import STARTS, moved
from vral.objectives import OBJECTIVES

SCALE_TEXTS = {0.5: "halved", 2.0: "doubled", float(BATCH): "summed over the batch, not averaged"}

PLACE_TEXTS = {
    REALS: "at reals (R1)",
    FAKES: "at fakes (R2)",
    BOTH: "half at reals and half at fakes (R1 and R2), or midway between them",
    BETWEEN: "at points between reals and fakes",
    WEIGHT: "nowhere: D's weight itself is penalised, as by weight decay",
}


def faults(hypothesis: Hypothesis, objective: str) -> tuple[str, ...]:
    """What is not as declared, or goes wrong, in one phrase each."""
    h = hypothesis.habits
    found = [h.penalty.fault, *_loss_faults(hypothesis, objective)]
    if not h.detached:
        found.append("fakes not detached: the gradient of D's loss reaches G")
    if hypothesis.order == SIMULTANEOUS and not h.frozen:
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
    if hypothesis.manner.clip < inf and hypothesis.manner.clipped == BEFORE:
        found.append(
            f"D's weight is clipped to ±{hypothesis.manner.clip:g} before its step and not after "
            "it: G meets a weight beyond the bound"
        )
    return tuple(fault for fault in found if fault)


def loss_name(hypothesis: Hypothesis, objective: str) -> str:
    """The name of what is minimised: DECLARED, PAIR, AVERAGE, another objective's, or "other"."""
    loss = hypothesis.loss
    if loss[2:] != Loss()[2:]:
        return "other"
    if loss.d == loss.g and loss.d in (DECLARED, NEGATED):
        return DECLARED
    d = d_losses(objective)[loss.d].names
    g = g_losses(objective)[loss.g].names
    common = [name for name in d if name in g and name in (PAIR, AVERAGE, *OBJECTIVES)]
    return common[0] if common else "other"


def scores_high_on(hypothesis: Hypothesis) -> str:
    """On which samples D learns to score high: FAKES if D is negated throughout."""
    return FAKES if hypothesis.loss[:2] == (NEGATED, NEGATED) else REALS


def _loss_faults(hypothesis: Hypothesis, objective: str) -> list[str]:
    loss, found = hypothesis.loss, []
    name = loss_name(hypothesis._replace(loss=Loss(loss.d, loss.g)), objective)
    if name in (PAIR, AVERAGE):
        whole = "pair" if name == PAIR else "average"
        found.append(
            f"the loss is that of a relativistic {whole}, a function of D(real) - D(fake), not "
            f"{objective} as declared"
        )
    elif name in OBJECTIVES:
        found.append(f"the objective is {name}, not {objective} as declared")
    elif name != DECLARED:
        found += [_d_fault(loss.d, objective), _g_fault(loss.g, objective)]
    for where, weight in (("reals", loss.weight_real), ("fakes", loss.weight_fake)):
        if weight == 0:
            found.append(f"D has no loss on {where}")
        elif weight != 1:
            found.append(f"D's loss on {where} is multiplied by {weight:g}")
    real, fake = LABELS.get(objective, (0.0, 0.0))
    if loss.shift_real:
        label = real - loss.shift_real
        one_sided = fake < label < real and not loss.shift_fake
        smooth = " (one-sided label smoothing)" if one_sided else ""
        found.append(f"D's label for reals is {label:g}, not {real:g}{smooth}")
    if loss.shift_fake:
        found.append(f"D's label for fakes is {fake - loss.shift_fake:g}, not {fake:g}")
    if loss.shift_g:
        found.append(f"G's label for fakes is {1 - loss.shift_g:g}, not 1")
    return found


def _d_fault(key: str, objective: str) -> str:
    names = d_losses(objective)[key].names
    if SWAPPED in names:
        ascent = ", or D's loss has the wrong sign" if ASCENT in names else ""
        return f"labels are swapped: D takes reals for fakes and fakes for reals{ascent}"
    others = ", ".join(n for n in names if n in OBJECTIVES)
    for start, where in ((REAL_OF, "reals"), (FAKE_OF, "fakes")):
        if key.startswith(start):
            same = ", ".join(n.removeprefix(start) for n in names if n.startswith(start))
            return f"D's loss on {where} is that of {same}, not of {objective}"
    return {
        DECLARED: "",
        NEGATED: "D's loss takes D's score with the wrong sign",
        ASCENT: "D's loss has the wrong sign: D maximises it",
        PAIR: "D's loss is that of a relativistic pair, a function of D(real) - D(fake)",
        AVERAGE: "D's loss is that of a relativistic average, a function of D(real) - D(fake)",
        "fakes' loss on reals": "D's loss on reals is its loss on fakes: D takes all for fakes",
        "reals' loss on fakes": "D's loss on fakes is its loss on reals: D takes all for reals",
    }.get(key, f"D's loss is that of {others}, not of {objective}")


def _g_fault(key: str, objective: str) -> str:
    names = g_losses(objective)[key].names
    others = ", ".join(n for n in names if n in OBJECTIVES)
    return {
        DECLARED: "",
        NEGATED: "G's loss has the wrong sign: G makes fakes that D scores low",
        ASCENT: "G's loss has the wrong sign: G maximises it",
        PAIR: "G's loss is that of a relativistic pair, a function of D(fake) - D(real)",
        AVERAGE: "G's loss is that of a relativistic average, a function of D(fake) - D(real)",
    }.get(key, f"G's loss is that of {others}, not of {objective}")


def account(hypothesis: Hypothesis, setting: Setting, place: str | None) -> list[str]:
    """What a trainer does under a hypothesis, a line each; ``place`` is that of its penalty."""
    lines = [f"updates: {_scheme(hypothesis)}", *_manner(hypothesis, setting)]
    if scores_high_on(hypothesis) == FAKES:
        lines.append(
            "scores: high on fakes, in D's loss and in G's alike: D is negated throughout, which "
            "is the same game"
        )
    penalty = hypothesis.habits.penalty
    factor = f"{penalty.mean_weight:g}γ" if penalty.mean_weight != 1 else "γ"
    if not setting.gamma:
        lines.append("penalty: not asked for (γ = 0)")
    elif penalty.weight:
        lines.append(f"penalty: {penalty.text}")
        if not penalty.centre:
            effective = setting.gamma * penalty.mean_weight
            lines.append(f"effective γ: {effective:g} = {factor} in the form ½γ·E‖∇D‖²")
        where = PLACE_TEXTS[place] if place else "at reals, at fakes or between: not told"
        lines.append(f"∇D is taken {where}")
    else:
        lines.append(f"penalty: none, though γ = {setting.gamma:g} was given")
    named = faults(hypothesis, setting.objective)
    return lines + [f"fault: {fault}" for fault in named or ("none",)]


def _scheme(hypothesis: Hypothesis) -> str:
    """Order and numbers of steps."""
    d_steps, g_steps = hypothesis.d_steps, hypothesis.g_steps
    counts = f"{_count(d_steps, 'D')} and {_count(g_steps, 'G')} a call"
    if hypothesis.order == SIMULTANEOUS:
        return "simultaneous, one step of D and G a call"
    if not (d_steps and g_steps):
        return f"only {'D' if d_steps else 'G'} moves: {counts}"
    first, last = hypothesis.order.split("-")
    text = f"alternating, {first} then {last}, {counts}"
    manner = hypothesis.manner
    for player, timing in (("D", manner.timing_d), ("G", manner.timing_g)):
        text += _seldom(player, timing)
    return text


def _seldom(player: str, timing: Timing) -> str:
    if timing.every == 1:
        return ""
    first = timing.rest + 1
    return (
        f", but {player} moves only at every {_ordinal(timing.every)} call "
        f"({first}, {first + timing.every}, {first + 2 * timing.every}, …)"
    )


def _ordinal(number: int) -> str:
    return f"{number}{ {2: 'nd', 3: 'rd'}.get(number, 'th') }"


def _count(number: int, player: str) -> str:
    return f"{number} {player} step{'s' * (number != 1)}"


def _manner(hypothesis: Hypothesis, setting: Setting) -> list[str]:
    d, g, h = hypothesis.manner.rule_d, hypothesis.manner.rule_g, setting.step_size
    same = d._replace(step=1.0) == g._replace(step=1.0)
    lines = [f"optimiser: {_rule(d)}" if same else f"optimisers: D {_rule(d)}; G {_rule(g)}"]
    if d.step != g.step:
        lines.append(
            f"step sizes: two (TTUR), D {d.step * h:g} and G {g.step * h:g}, a ratio of "
            f"{d.step / g.step:g}"
        )
    elif d.step != 1:
        lines.append(f"step size: {d.step * h:g} for both, {d.step:g} times the given h = {h:g}")
    factors = (
        (p, r.step if r.kind in NOT_ADAPTIVE else EPSILON / r.epsilon)
        for p, r in (("D", d), ("G", g))
    )
    scaled = " and ".join(f"{p}'s whole loss multiplied by {f:g}" for p, f in factors if f != 1)
    if scaled:
        lines.append(f"  which is the same here as {scaled}")
    if hypothesis.manner.clip < inf and hypothesis.manner.clipped != BEFORE:
        lines.append(
            f"clipping: D's weight is clipped to ±{hypothesis.manner.clip:g} after its step"
        )
    return lines


def _rule(rule: Rule) -> str:
    epsilon = f", ε = {rule.epsilon:g}" if rule.epsilon != EPSILON else ""
    return {
        SGD: "plain gradient descent",
        MOMENTUM: f"gradient descent with momentum {rule.first:g}",
        NESTEROV: f"gradient descent with Nesterov's momentum {rule.first:g}",
        ADAM: f"Adam with β₁ = {rule.first:g}, β₂ = {rule.second:g}{epsilon}",
        RMSPROP: f"RMSprop with α = {rule.second:g}{epsilon}",
    }[rule.kind]


def seen(observed: Tensor, setting: Setting, sides: Mapping[str, Sequence[Side]]) -> list[str]:
    """What was seen of a trainer that no hypothesis explains, a line each."""
    lines = [_when("D", moved(observed, 1), observed), _when("G", moved(observed, 0), observed)]
    theta, psi, c = STARTS.unbind(1)
    moves = observed[0] - STARTS[:, :2]
    real, fake = slopes(d_losses(setting.objective)[DECLARED].function, psi * c, psi * theta)
    new_psi = observed[0, :, 1]
    steps = {
        "D's": (moves[:, 1], {"": -setting.step_size * (real * c + fake * theta)}),
        "G's": (
            moves[:, 0],
            {
                f" at the {age} ψ": -setting.step_size
                * slopes(g_losses(setting.objective)[DECLARED].function, at * c, at * theta)[1]
                * at
                for age, at in (("old", psi), ("new", new_psi))
            },
        ),
    }
    for owner, (move, expected) in steps.items():
        lines.append(_first_moves(owner, move, expected))
    for player, name in (("d", "D"), ("g", "G")):
        if sides.get(player):
            best = sides[player][0]
            lines.append(f"{name} alone is explained: {_side(best, name, setting)}")
    plain_g = any(side.hypothesis.manner.rule_g.kind == SGD for side in sides.get("g", ()))
    if plain_g and not sides.get("d"):
        implied = (-moves[:, 1] / setting.step_size - fake * theta) / c
        lines.append(
            "if D makes one plain step, without penalty and with the declared loss on fakes, its "
            "loss on reals has the slopes "
            + ", ".join(
                f"{a:.3g} at D(real) = {s:.3g} (declared {b:.3g})"
                for a, s, b in zip(implied.tolist(), (psi * c).tolist(), real.tolist(), strict=True)
            )
        )
    return lines


def _when(player: str, calls: list[int], observed: Tensor) -> str:
    if not calls:
        return f"{player} never moves"
    if len(calls) == int(observed.isfinite().all(-1).any(1).sum()):
        return f"{player} moves in every call"
    some = ", ".join(str(call + 1) for call in calls[:8]) + ", …" * (len(calls) > 8)
    return f"{player} moves in the calls {some}"


def _first_moves(owner: str, move: Tensor, expected: Mapping[str, Tensor]) -> str:
    """First moves of a player, beside the steps down its declared gradient."""
    if not move.any():
        return f"{owner} parameter is left as it is by the first call"
    lengths = move.abs()
    text = f"{owner} first moves from the {len(move)} starts: " + ", ".join(
        f"{m:+.3g}" for m in move.tolist()
    )
    if ((lengths / lengths[0] - 1).abs() < 1e-3).all():
        return f"{text}; all of one length, as with Adam, RMSprop or clipped gradients"
    ratios = {where: move / step for where, step in expected.items()}
    where, ratio = min(ratios.items(), key=lambda item: float(item[1].std()))
    if ((ratio / ratio[0] - 1).abs() < 1e-6).all():
        return f"{text}; {ratio[0]:.6g} times a step down its declared gradient{where}"
    towards = int((ratio > 0).sum())
    return (
        f"{text}; not in proportion to its declared gradient (without penalty) "
        f"(ratios from {float(ratio.min()):.3g} to {float(ratio.max()):.3g}), "
        f"{towards} of them downhill"
    )


def _side(side: Side, player: str, setting: Setting) -> str:
    hypothesis = side.hypothesis
    steps = hypothesis.d_steps if player == "D" else hypothesis.g_steps
    rule = hypothesis.manner.rule_d if player == "D" else hypothesis.manner.rule_g
    other = "G" if player == "D" else "D"
    said = [
        f"{_count(steps, player)} a call, {'after' if side.sees_new else 'before'} {other} moves",
        f"{_rule(rule)}, step size {rule.step * setting.step_size:g}",
    ]
    if player == "D":
        said.append(f"penalty {hypothesis.habits.penalty.text}")
    return "; ".join([*said, *faults(hypothesis, setting.objective)])
