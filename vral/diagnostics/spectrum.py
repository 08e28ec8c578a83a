"""Eigenvalues of a game's vector field, and of one round of updates.

Gradient flow converges locally to a point with v = 0 if all eigenvalues of v' have negative real
parts; a round F of updates converges to a fixed point if those of F' lie inside the unit circle.
Away from a stationary point eigenvalues say nothing about convergence, so ‖v‖, or ‖F(x) - x‖,
always comes first.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs
from torch import Tensor

from vral.diagnostics.linearise import CHUNK, Map, jacobian, kernel
from vral.errors import ConfigError

Complex = NDArray[np.complexfloating]
Real = NDArray[np.floating]
Progress = Callable[[str, int, int | None], object]
"""Called with a phase of the work, how much of it is done, and all of it, None where unknown."""

STATIONARY = 1e-6
"""A point is stationary where ‖v‖, or ‖F(x) - x‖, is at most this: the gradients of all players, in
the units of their losses and parameters, stacked to one vector. What eigenvalues say of convergence
is printed, written and drawn there alone."""

DENSE_LIMIT = 5000
"""Up to this many parameters all eigenvalues are computed, from the dense Jacobian."""

ROUNDING = 100 * float(np.finfo(float).eps)
"""What counts as zero, per parameter and relative to the largest eigenvalue. Simple eigenvalues err
by rounding times a condition number, for which 100 allows; a wider band would hide slow directions.
"""

SHOWN = 0.05
"""Shares of null directions from which a tensor is named."""

RESTARTS = 300
"""Restarts of Arnoldi's iteration: some minutes at 20,000 parameters, where ARPACK's own limit, ten
times the size, would be days."""

WHICH = {"LR": "rightmost", "LM": "largest", "LI": "fastest rotating"}
"""The eigenvalues that Arnoldi can look for: they decide on stability, on the largest step, on the
rotation."""


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues of a Jacobian and what follows from them.

    An eigenvalue is *null* if rounding cannot tell that its direction moves: within ``tolerance``
    of 0 for a field, of 1 for a round. Every quantity but the counts leaves such eigenvalues out.
    Rounding splits a *defective* zero by its square root, so such a zero may show as slow growth:
    the error is on the side of caution.

    Two kinds of directions have null eigenvalues. *Null directions* change no player's gradient at
    all: v' sends them to 0, or F' leaves them as they are. They follow from the networks and the
    samples, as weights between two units that are never on together do, and v and a round share
    them: ``nullity`` counts them by the rank. The others are too slow to tell. The eigenvalues of
    networks thin out towards 0 without a gap, and where ``tolerance`` cuts differs from v to a
    round, whose step sizes scale them.
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
    null_in: Mapping[str, float] | None = None
    """How many of the null directions lie in which tensor: the squared lengths of an orthonormal
    basis's parts there. None where Arnoldi computed a part of the eigenvalues."""
    speed: float | None = None
    """‖v‖ at the point of a round, where it is known: small steps alone make no fixed point."""

    @property
    def complete(self) -> bool:
        """Whether all eigenvalues were computed."""
        return len(self.eigenvalues) == self.size

    @property
    def stationary(self) -> bool:
        """Whether the residual is small enough for the eigenvalues to count."""
        return max(self.residual, self.speed or 0.0) <= STATIONARY

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
    def nullity(self) -> int | None:
        """Number of null directions; None where Arnoldi computed a part of the eigenvalues."""
        return None if self.null_in is None else round(sum(self.null_in.values()))

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
        of_field, counts = not self.update, self.stationary
        return {
            "residual": self.residual,
            "stationary": counts,
            "size": self.size,
            "found": len(self.eigenvalues),
            "positive": self.positive,
            "zero": self.zero,
            "negative": self.negative,
            "null": int(self.null.sum()),
            "nullity": self.nullity,
            "abscissa": self.abscissa if of_field and counts else None,
            "rotation": self.rotation if of_field and counts else None,
            "largest_step": self.largest_step if of_field and counts else None,
            "radius": self.radius if self.update and counts else None,
        }

    def summary(self) -> str:
        """A few lines of text; the first one gives the residual."""
        names = ("outside", "on", "inside") if self.update else ("positive", "zero", "negative")
        of = "the unit circle" if self.update else "real parts"
        counts = zip(names, (self.positive, self.zero, self.negative), strict=True)
        line = f"{len(self.eigenvalues)} of {self.size} eigenvalues"
        if self.errors is not None:
            line += f" (Arnoldi; largest residual {self.errors.max(initial=0.0):.1e})"
        lines = [*self._meaning(), line, f"{of}: " + ", ".join(f"{n} {k}" for k, n in counts)]
        lines.append(self._null_text())
        if self.stationary and self.update:
            lines.append(f"spectral radius without λ = 1: {self.radius:.9g}")
        elif self.stationary:
            lines.append(f"spectral abscissa without λ = 0: {self.abscissa:.9g}")
            lines.append(f"largest |Im/Re|: {self.rotation:.4g}")
            lines.append(f"largest stable step: {self.largest_step:.4g}")
        return "\n".join(lines)

    def _meaning(self) -> list[str]:
        """The residual, and whether eigenvalues mean something there."""
        what = "‖F(x) - x‖" if self.update else "‖v‖"
        first = f"{what} = {self.residual:.3g}"
        if self.update and self.speed is not None:
            first += f", ‖v‖ = {self.speed:.3g}"
        if not self.stationary:
            withheld = "radius is" if self.update else "abscissa, rotation and largest step are"
            return [
                first,
                f"not stationary (above {STATIONARY:.0e}): the eigenvalues say nothing about "
                f"convergence, and the {withheld} withheld",
            ]
        verdict = {
            True: "they say that play nearby converges",
            False: "they say that play nearby does not converge",
            None: "they leave convergence open",
        }[self.converges]
        return [first, f"stationary, so the eigenvalues count: {verdict}"]

    def _null_text(self) -> str:
        """How many eigenvalues are null, and how many of them belong to null directions."""
        null, at = int(self.null.sum()), "1" if self.update else "0"
        text = f"λ = {at} within rounding: {null}"
        if self.nullity is None:
            return text
        largest = sorted((self.null_in or {}).items(), key=lambda entry: -entry[1])
        where = [f"{size:.3g} in {name}" for name, size in largest if size >= SHOWN]
        text += f"; null directions: {self.nullity}"
        text += f" ({', '.join(where)})" if where else ""
        if null > self.nullity:
            less = " - 1" if self.update else ""
            text += f"; too slow to tell from them: {null - self.nullity}, "
            text += f"|λ{less}| at most {self.tolerance:.1g}"
        return text


def spectrum(
    local_map: Map,
    which: Sequence[str] | None = None,
    count: int = 10,
    *,
    chunk: int = CHUNK,
    iterations: int = RESTARTS,
    dense_limit: int = DENSE_LIMIT,
    speed: float | None = None,
    progress: Progress = lambda phase, done, total: None,
) -> Spectrum:
    """The eigenvalues of a field's or a round's Jacobian, dense or by Arnoldi.

    Source: Mescheder et al. 2017 for what they say; ARPACK (Lehoucq et al. 1998) for Arnoldi.

    Args:
        local_map: from ``field_map`` or ``update_map``, in float64.
        which: names of WHICH; they ask for Arnoldi at any size.
        count: eigenvalues of each kind that Arnoldi looks for.
        chunk: columns of the dense Jacobian that are computed at a time.
        iterations: restarts of Arnoldi; what has not converged by then is left out.
        dense_limit: up to this many parameters all eigenvalues are computed.
        speed: ‖v‖ at the point of a round.
        progress: called with the phase of the work, how much of it is done, and all of it, None
            where nobody knows.

    Raises:
        ConfigError: a name that WHICH lacks, a count that is too large, or parameters that are
            not finite.
    """
    if not bool(torch.isfinite(local_map.point).all()):
        raise ConfigError("parameters: some are not finite; a spectrum needs finite ones")
    size, errors, null_in = len(local_map.point), None, None
    if which is None and size <= dense_limit:
        matrix = jacobian(local_map, chunk, lambda done: progress("Jacobian, columns", done, size))
        progress(f"eigenvalues of {size} × {size}", 0, None)
        eigenvalues: Complex = np.linalg.eigvals(matrix).astype(complex)
        progress(f"rank of {size} × {size}", 0, None)
        null_in = _null_in(matrix, local_map)
    else:
        eigenvalues, errors = np.empty(0, complex), np.empty(0)
        for kind in which or WHICH:
            phase = f"Arnoldi, {WHICH.get(kind)}, products"
            values, residuals = arnoldi(
                local_map,
                kind,
                count,
                iterations,
                lambda done, phase=phase: progress(phase, done, None),
            )
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
        null_in,
        speed,
    )


def _null_in(matrix: Real, local_map: Map) -> dict[str, float]:
    """How many null directions lie in each tensor of the map, those with none left out."""
    basis = kernel(matrix, local_map.update)
    parts = np.split((basis**2).sum(1), np.cumsum([*local_map.tensors.values()]))
    names = [*local_map.tensors, "unnamed coordinates"]
    shares = {n: round(float(part.sum()), 6) for n, part in zip(names, parts, strict=True)}
    return {name: share for name, share in shares.items() if share > 0}


def arnoldi(
    local_map: Map,
    which: str,
    count: int = 10,
    iterations: int = RESTARTS,
    progress: Callable[[int], object] = lambda products: None,
) -> tuple[Complex, Real]:
    """(eigenvalues, residuals ‖Jx - λx‖), (count,) each, of the kind ``which`` of WHICH.

    They are fewer where the iteration did not converge. ``progress`` is called with the number of
    products with the Jacobian.

    Raises:
        ConfigError: a kind that WHICH lacks, or a count that is too large.
    """
    size = len(local_map.point)
    if which not in WHICH:
        raise ConfigError(f"which: {which!r} given; allowed: {', '.join(WHICH)}")
    if not 1 <= count < size - 1:
        raise ConfigError(f"count: {count} given; allowed: 1 to {size - 2} of {size} parameters")

    operator = operator_of(local_map, progress)
    start = np.random.default_rng(0).standard_normal(size)
    basis = min(size, max(4 * count + 1, 40))
    try:
        values, vectors = cast(Any, eigs)(
            operator, count, which=which, v0=start, ncv=basis, maxiter=iterations
        )
    except ArpackNoConvergence as stopped:
        values, vectors = stopped.eigenvalues, stopped.eigenvectors
    residuals = [
        np.linalg.norm(operator @ x.real + 1j * (operator @ x.imag) - value * x)
        for value, x in zip(values, vectors.T, strict=True)
    ]
    return values, np.array(residuals)


def operator_of(
    local_map: Map, progress: Callable[[int], object] = lambda products: None
) -> LinearOperator:
    """The Jacobian of a map as SciPy takes it, in products with it and with its transpose.

    ``progress`` is called with the number of products so far.
    """
    size, made = len(local_map.point), itertools.count(1)

    def of_numpy(product: Callable[[Tensor], Tensor]) -> Callable[[np.ndarray], np.ndarray]:
        def apply(vector: np.ndarray) -> np.ndarray:
            tangent = torch.from_numpy(np.ascontiguousarray(vector.reshape(-1))).to(local_map.point)
            found = product(tangent).numpy(force=True)
            progress(next(made))
            return found

        return apply

    return cast(Any, LinearOperator)(  # its __new__ hides its arguments from a type checker
        (size, size),
        matvec=of_numpy(local_map.product),
        rmatvec=of_numpy(local_map.transposed),
        dtype=np.float64,
    )
