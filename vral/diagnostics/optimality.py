"""Is D near-optimal at this ratio? Hold G, train a copy of D on, and look at what it gains."""

from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor

Step = Callable[[Any, dict[str, Tensor]], tuple[Any, dict[str, Tensor]]]
"""(state, draw) to (state, info)."""

WINDOW = 100
"""D updates between two looks."""


def optimality_gap(
    state: Any,
    moves: Iterable[tuple[Step, dict[str, Tensor]]],
    judge: Callable[[Any], dict[str, float]],
    patience: int = 3,
    tolerance: float = 0.01,
    limit: int = 3000,
) -> dict[str, float]:
    """Train every player but G on until D's loss stops falling, one lane.

    ``moves`` yields (step, draw); ``judge`` gives "loss" and "auc" of a state on fixed samples.
    D counts as converged when its best loss has not fallen by more than ``tolerance`` (relative,
    absolute below a loss of 1) for ``patience`` windows of WINDOW D updates; ``limit`` D updates
    at the most. The caller's state is not touched: steps are pure.
    """
    before = judge(state)
    best, stale, updates = before, 0, 0
    for step, draw in moves:
        state, info = step(state, draw)
        updates += "loss_D" in info
        if "loss_D" not in info or updates % WINDOW:
            continue
        now = judge(state)
        gain = best["loss"] - now["loss"]
        stale = 0 if gain > tolerance * max(1.0, abs(best["loss"])) else stale + 1
        best = min(best, now, key=lambda seen: seen["loss"])
        if stale >= patience or updates >= limit:
            break
    return {
        "optimality_loss_gap": before["loss"] - best["loss"],
        "optimality_auc_before": before["auc"],
        "optimality_auc_after": best["auc"],
        "optimality_updates": float(updates),
        "optimality_converged": float(stale >= patience),
    }
