"""Eigenvalues of a game's vector field, and of one round of updates.

Gradient flow converges locally to a point with v = 0 if all eigenvalues of v' have negative real
parts; a round F of updates converges to a fixed point if those of F' lie inside the unit circle.
Away from a stationary point eigenvalues say nothing about convergence, so ‖v‖, or ‖F(x) - x‖,
always comes first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs
from torch import Tensor

from vral.diagnostics.linearise import Map, jacobian
from vral.errors import ConfigError

Complex = NDArray[np.complexfloating]
Real = NDArray[np.floating]

DENSE_LIMIT = 5000
"""Up to this many parameters all eigenvalues are computed, from the dense Jacobian."""

ROUNDING = 100 * float(np.finfo(float).eps)
"""What counts as zero, per parameter and relative to the largest eigenvalue. Simple eigenvalues err
by rounding times a condition number, for which 100 allows; a wider band would hide slow directions.
"""

WHICH = {"LR": "rightmost", "LM": "largest", "LI": "fastest rotating"}
"""The eigenvalues that Arnoldi can look for: they decide on stability, on the largest step, on the
rotation."""


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues of a Jacobian and what follows from them.

    An eigenvalue is *null* if its direction does not move at all: within ``tolerance`` of 0 for a
    field, of 1 for a round. Null directions are expected (parameters that change nothing), and
    every quantity but the counts leaves them out. Rounding splits a *defective* zero by its square
    root, so such a zero may show as slow growth: the error is on the side of caution.
    """

    eigenvalues: Complex
    """Complex, by falling real part."""
    size: int
    """Number of parameters. Arnoldi computes fewer eigenvalues; all quantities are then those of
    the computed ones."""
    residual: float
    """‖v‖ of a field, ‖F(x) - x‖ of a round."""
    update: bool = False
    """Whether these are the eigenvalues of a round of updates, not of a field."""
    errors: Real | None = None
    """‖Jx - λx‖ of Arnoldi's unit eigenvectors, in the order of the eigenvalues."""
    stationary_below: float = 1e-6
    """A point is stationary where the residual is at most this."""

    @property
    def complete(self) -> bool:
        """Whether all eigenvalues were computed."""
        return len(self.eigenvalues) == self.size

    @property
    def stationary(self) -> bool:
        """Whether the residual is small enough for the eigenvalues to count."""
        return self.residual <= self.stationary_below

    @property
    def tolerance(self) -> float:
        """The largest growth that counts as zero.

        It is ROUNDING, and at a stationary point the residual too: next to a zero of v null
        directions have eigenvalues of the residual's order.
        """
        rounding = ROUNDING * self.size * float(np.abs(self.eigenvalues).max(initial=0.0))
        return rounding + (self.residual if self.stationary else 0.0)

    @property
    def null(self) -> NDArray[np.bool_]:
        """Which eigenvalues are null, (eigenvalue,) bool."""
        return np.abs(self.eigenvalues - self.update) <= self.tolerance

    @property
    def growth(self) -> Real:
        """Re λ of a field, |λ| - 1 of a round; positive grows, negative decays."""
        return np.abs(self.eigenvalues) - 1 if self.update else self.eigenvalues.real

    @property
    def growing(self) -> NDArray[np.bool_]:
        """Which eigenvalues grow: positive real parts, or outside the unit circle."""
        return self.growth > self.tolerance

    @property
    def positive(self) -> int:
        """Number of growing eigenvalues."""
        return int(self.growing.sum())

    @property
    def zero(self) -> int:
        """Number of eigenvalues that neither grow nor decay: null ones and pure rotations."""
        return int((np.abs(self.growth) <= self.tolerance).sum())

    @property
    def negative(self) -> int:
        """Number of decaying eigenvalues."""
        return int((self.growth < -self.tolerance).sum())

    @property
    def rest(self) -> Complex:
        """The eigenvalues that are not null."""
        return self.eigenvalues[~self.null]

    @property
    def abscissa(self) -> float:
        """max Re λ of a field without the null eigenvalues; -inf if all are null."""
        return float(self.rest.real.max(initial=-np.inf))

    @property
    def damped(self) -> bool:
        """Whether a field has eigenvalues that are not null, and all of them decay."""
        return -np.inf < self.abscissa < -self.tolerance

    @property
    def radius(self) -> float:
        """max |λ| of a round without the null eigenvalues: the rate of local convergence."""
        return float(np.abs(self.rest).max(initial=0.0))

    @property
    def rotation(self) -> float:
        """max |Im λ / Re λ| of a field: rotation against decay; infinite for a pure rotation."""
        imag, real = np.abs(self.rest.imag), np.abs(self.rest.real)
        turning = imag > self.tolerance
        if not turning.any():
            return 0.0
        real = np.where(real > self.tolerance, real, 0.0)[turning]
        with np.errstate(divide="ignore"):
            return float((imag[turning] / real).max())

    @property
    def largest_step(self) -> float:
        """min 2|Re λ|/|λ|² over a field's eigenvalues that are not null.

        Simultaneous gradient descent with a smaller common step contracts (Mescheder et al. 2017,
        lemma 4). It is 0 where some real part is not negative, since then no step contracts.
        """
        rest = self.rest
        if (rest.real >= -self.tolerance).any():
            return 0.0
        return float((2 * np.abs(rest.real) / np.abs(rest) ** 2).min(initial=np.inf))

    @property
    def converges(self) -> bool | None:
        """Whether nearby play converges; None where the eigenvalues do not decide."""
        if not self.stationary:
            return None
        worst = self.radius - 1 if self.update else self.abscissa
        if worst > self.tolerance:
            return False
        decided = self.complete and worst < -self.tolerance and not self.null.any()
        return True if decided else None

    def readings(self) -> dict[str, float | int | None]:
        """All counts and quantities by name.

        What only a field has is None for a round, and the other way round.
        """
        of_field = not self.update
        return {
            "residual": self.residual,
            "stationary": self.stationary,
            "size": self.size,
            "found": len(self.eigenvalues),
            "positive": self.positive,
            "zero": self.zero,
            "negative": self.negative,
            "null": int(self.null.sum()),
            "abscissa": self.abscissa if of_field else None,
            "rotation": self.rotation if of_field else None,
            "largest_step": self.largest_step if of_field else None,
            "radius": None if of_field else self.radius,
        }

    def summary(self) -> str:
        """A few lines of text; the first one gives the residual."""
        what = "‖F(x) - x‖" if self.update else "‖v‖"
        lines = [f"{what} = {self.residual:.3g}"]
        if not self.stationary:
            lines.append(
                f"not stationary ({what} above {self.stationary_below:.0e}): "
                "the eigenvalues say nothing about convergence"
            )
        else:
            verdict = {
                True: "they say that play nearby converges",
                False: "they say that play nearby does not converge",
                None: "they leave convergence open",
            }[self.converges]
            lines.append(f"stationary, so the eigenvalues count: {verdict}")
        line = f"{len(self.eigenvalues)} of {self.size} eigenvalues"
        if self.errors is not None:
            line += f" (Arnoldi; largest residual {self.errors.max(initial=0.0):.1e})"
        lines.append(line)
        names = ("outside", "on", "inside") if self.update else ("positive", "zero", "negative")
        of = "the unit circle" if self.update else "real parts"
        counts = zip(names, (self.positive, self.zero, self.negative), strict=True)
        null = f"{'1' if self.update else '0'}: {int(self.null.sum())}"
        lines.append(f"{of}: " + ", ".join(f"{n} {k}" for k, n in counts) + f"; λ = {null}")
        if self.update:
            lines.append(f"spectral radius without λ = 1: {self.radius:.9g}")
        else:
            lines.append(f"spectral abscissa without λ = 0: {self.abscissa:.9g}")
            lines.append(f"largest |Im/Re|: {self.rotation:.4g}")
            lines.append(f"largest stable step: {self.largest_step:.4g}")
        return "\n".join(lines)


def spectrum(
    local_map: Map,
    which: Sequence[str] | None = None,
    count: int = 10,
    *,
    chunk: int = 64,
    stationary_below: float = 1e-6,
    iterations: int | None = None,
    dense_limit: int = DENSE_LIMIT,
) -> Spectrum:
    """The eigenvalues of a field's or a round's Jacobian, dense or by Arnoldi.

    Source: Mescheder et al. 2017 for what they say; ARPACK (Lehoucq et al. 1998) for Arnoldi.

    Args:
        local_map: from ``field_map`` or ``update_map``, in float64.
        which: names of WHICH; they ask for Arnoldi at any size.
        count: eigenvalues of each kind that Arnoldi looks for.
        chunk: columns of the dense Jacobian that are computed at a time.
        stationary_below: the point is stationary where the residual is at most this.
        iterations: restarts of Arnoldi; None takes ARPACK's limit of ten times the size.
        dense_limit: up to this many parameters all eigenvalues are computed.

    Raises:
        ConfigError: a name that WHICH lacks, a count that is too large, or parameters that are
            not finite.
    """
    if not bool(torch.isfinite(local_map.point).all()):
        raise ConfigError("parameters: some are not finite; a spectrum needs finite ones")
    size, errors = len(local_map.point), None
    if which is None and size <= dense_limit:
        eigenvalues: Complex = np.linalg.eigvals(jacobian(local_map, chunk)).astype(complex)
    else:
        eigenvalues, errors = np.empty(0, complex), np.empty(0)
        for kind in which or WHICH:
            values, residuals = arnoldi(local_map, kind, count, iterations)
            nearest = np.abs(values[:, None] - eigenvalues[None, :]).min(1, initial=np.inf)
            new = nearest > 1e-9 * np.abs(values).max(initial=0.0)
            eigenvalues = np.append(eigenvalues, values[new])
            errors = np.append(errors, residuals[new])
    order = np.argsort(-eigenvalues.real, kind="stable")
    return Spectrum(
        eigenvalues[order],
        size,
        local_map.residual,
        local_map.update,
        None if errors is None else errors[order],
        stationary_below,
    )


def arnoldi(
    local_map: Map, which: str, count: int = 10, iterations: int | None = None
) -> tuple[Complex, Real]:
    """(eigenvalues, residuals ‖Jx - λx‖), (count,) each, of the kind ``which`` of WHICH.

    They are fewer where the iteration did not converge.

    Raises:
        ConfigError: a kind that WHICH lacks, or a count that is too large.
    """
    size = len(local_map.point)
    if which not in WHICH:
        raise ConfigError(f"which: {which!r} given; allowed: {', '.join(WHICH)}")
    if not 1 <= count < size - 1:
        raise ConfigError(f"count: {count} given; allowed: 1 to {size - 2} of {size} parameters")

    def of_numpy(product: Callable[[Tensor], Tensor]) -> Callable[[np.ndarray], np.ndarray]:
        def apply(vector: np.ndarray) -> np.ndarray:
            tangent = torch.from_numpy(np.ascontiguousarray(vector.reshape(-1))).to(local_map.point)
            return product(tangent).numpy(force=True)

        return apply

    product = of_numpy(local_map.product)
    operator = cast(Any, LinearOperator)(  # its __new__ hides its arguments from a type checker
        (size, size), matvec=product, rmatvec=of_numpy(local_map.transposed), dtype=np.float64
    )
    start = np.random.default_rng(0).standard_normal(size)
    basis = min(size, max(4 * count + 1, 40))
    try:
        values, vectors = cast(Any, eigs)(
            operator, count, which=which, v0=start, ncv=basis, maxiter=iterations
        )
    except ArpackNoConvergence as stopped:
        values, vectors = stopped.eigenvalues, stopped.eigenvectors
    residuals = [
        np.linalg.norm(product(x.real.copy()) + 1j * product(x.imag.copy()) - value * x)
        for value, x in zip(values, vectors.T, strict=True)
    ]
    return values, np.array(residuals)
