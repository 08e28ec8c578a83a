"""Is D near-optimal at this ratio? Train a copy of D further, with G fixed, and read its gain."""

from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor

Step = Callable[[Any, dict[str, Tensor]], tuple[Any, dict[str, Tensor]]]
"""(state, draw) to (state, readings by name)."""

WINDOW = 100
"""D updates between two evaluations."""


def optimality_gap(
    state: Any,
    moves: Iterable[tuple[Step, dict[str, Tensor]]],
    judge: Callable[[Any], dict[str, float]],
    patience: int = 3,
    tolerance: float = 0.01,
    limit: int = 3000,
) -> dict[str, float]:
    """Train every player but G further, on one lane, until D's loss stops falling.

    D has converged when its best loss has not fallen by more than ``tolerance`` for ``patience``
    windows of WINDOW D updates. The caller's state is not changed: steps are pure.

    Args:
        state: the TrainState to begin with.
        moves: pairs (step, draw), for as long as they are asked for.
        judge: state to "loss" and "auc" of D on fixed samples.
        patience: windows without a gain.
        tolerance: smallest gain, relative to the loss, or absolute where the loss is below 1.
        limit: largest number of D updates.

    Returns:
        The columns of a probe whose names begin with "optimality".
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
        best = min(best, now, key=lambda judged: judged["loss"])
        if stale >= patience or updates >= limit:
            break
    return {
        "optimality_loss_gap": before["loss"] - best["loss"],
        "optimality_auc_before": before["auc"],
        "optimality_auc_after": best["auc"],
        "optimality_updates": float(updates),
        "optimality_converged": float(stale >= patience),
    }
