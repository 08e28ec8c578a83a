"""From a profile to a stationary point next to it, where eigenvalues mean something."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.linalg
import torch
from scipy.sparse.linalg import lsmr
from torch import Tensor

from vral.diagnostics.linearise import Map, jacobian
from vral.diagnostics.spectrum import DENSE_LIMIT, STATIONARY, operator_of

STEPS = 100
"""The most steps of the search, each with a Jacobian of its own."""
AIM = 1e-3 * STATIONARY
"""‖v‖ at which the search ends. It is smaller than needed because next to a zero of v null
directions have eigenvalues of the size of ‖v‖."""
INNER = 200
"""The most products with the Jacobian, and as many with its transpose, in one matrix-free step."""
FIRST, LEAST, MOST = 1e-3, 1e-18, 1e12
"""The damping μ of the first step, its least and its most, in units of the largest ‖∂v/∂xᵢ‖²."""


STALL, GAIN = 5, 0.01
"""The search ends where STALL steps lower ‖v‖ by less than the share GAIN."""


class Polished(NamedTuple):
    """Where the search for a zero of v ended."""

    point: Tensor
    residual: float
    """‖v‖ there."""
    steps: int
    """Steps that were taken."""


def polish(
    field: Map,
    steps: int = STEPS,
    progress: Callable[[int, float, int], object] = lambda steps, residual, columns: None,
    dense_limit: int = DENSE_LIMIT,
) -> Polished:
    """Lower ‖v‖² from ``field.point`` to a zero of v, or as far as the search comes.

    Levenberg and Marquardt's damped Gauss-Newton steps, (J'J + μI) p = -J'v, each of which lowers
    ‖v‖; J is dense up to ``dense_limit`` parameters. It is not the flow of v: it is drawn to every
    zero of v alike, stable or not, and it may end in a minimum of ‖v‖² that is no zero. What kind
    of point it found, the eigenvalues there must say. ``progress`` is called with the steps taken,
    ‖v‖, and the columns of the next Jacobian. Source: Marquardt 1963.
    """
    x, v = field.point, field.function(field.point)
    damping, norms = FIRST, [_norm(v)]
    while (taken := len(norms) - 1) < steps and norms[-1] > AIM:
        if taken >= STALL and norms[-1] > (1 - GAIN) * norms[-1 - STALL]:
            break
        here = field._replace(point=x)
        step_of = (_dense if len(x) <= dense_limit else _free)(
            here,
            v,
            lambda columns: progress(taken, _norm(v), columns),  # noqa: B023
        )
        while damping < MOST:
            moved = x + step_of(damping)
            value = field.function(moved)
            if _norm(value) < norms[-1]:
                break
            damping *= 10
        else:
            break
        x, v = moved, value
        norms.append(_norm(v))
        damping = max(damping / 10, LEAST)
    return Polished(x, norms[-1], len(norms) - 1)


def _norm(value: Tensor) -> float:
    """‖v‖, infinite where v is not finite."""
    norm = torch.linalg.vector_norm(value).item()
    return norm if np.isfinite(norm) else np.inf


Step = Callable[[float], Tensor]
"""The damping of a step, in its unit, to the step."""


def _dense(here: Map, v: Tensor, progress: Callable[[int], object]) -> Step:
    matrix = jacobian(here, progress=progress)
    square, slope = matrix.T @ matrix, matrix.T @ v.numpy(force=True)
    unit = square.diagonal().max() or 1.0

    def step(damping: float) -> Tensor:
        damped = square + damping * unit * np.eye(len(square))
        try:
            found = scipy.linalg.solve(damped, -slope, assume_a="pos")
        except np.linalg.LinAlgError:  # rounding: ask for more damping
            found = np.full(len(slope), np.nan)
        return torch.from_numpy(found).to(v)

    return step


def _free(here: Map, v: Tensor, progress: Callable[[int], object]) -> Step:
    """The same by LSMR: products with J and its transpose only."""
    operator = operator_of(here, progress)
    right = -v.numpy(force=True)
    unit = float(np.linalg.norm(operator.rmatvec(right)) / np.linalg.norm(right)) ** 2

    def step(damping: float) -> Tensor:
        found = lsmr(operator, right, damp=(damping * unit) ** 0.5, maxiter=INNER)[0]
        return torch.from_numpy(found).to(v)

    return step
