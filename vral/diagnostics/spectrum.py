"""Spectra: of a game's vector field, and of what a rule really does with it in one round.

The field v stacks every player's descent direction, minus its own gradient. Gradient flow converges
locally to a point with v = 0 if all eigenvalues of v' have negative real parts; a round F of
updates, if those of F' lie inside the unit circle. Away from a stationary point eigenvalues say
nothing about convergence, so ‖v‖, or ‖F(x) - x‖, always comes first.

Products with v' are forward over reverse, so a penalty on ∇ₓD brings in *third* derivatives: right
for the norms of ``nets.norm``, wrong for torch's fused batch, instance and layer norms. Work in
float64.
"""

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs
from torch import Tensor
from torch.func import jvp, vjp, vmap

from vral.errors import ConfigError
from vral.games.game import Game, field
from vral.optim import Rule
from vral.optim.rule import Direction
from vral.types import Draw, Move, Params, Profile, from_vector, leaves, to_vector

DENSE_LIMIT = 5000
"""Parameters up to which all eigenvalues are computed."""

HELD = ("count", "square")
"""Optimiser state that an update map holds fixed: step counts and second moments."""

ROUNDING = 100 * float(np.finfo(float).eps)
"""Per parameter, relative to the largest eigenvalue: what counts as zero. Simple eigenvalues err by
rounding times a condition number, for which 100 allows; a wider band would hide slow directions."""

HALVINGS = 20
"""Of the interval between two γ of a sweep in which the abscissa changes sign."""

WHICH = {"LR": "rightmost", "LM": "largest", "LI": "fastest rotating"}
"""What Arnoldi looks for: stability, the limit of the step size, rotation."""


class Map(NamedTuple):
    """A map of R^n at a point, ready to be linearised there."""

    function: Callable[[Tensor], Tensor]
    point: Tensor
    update: bool
    """Whether it is a round of updates (its fixed points matter) or a field (its zeros)."""

    def product(self, tangent: Tensor) -> Tensor:
        with warnings.catch_warnings():  # torch's own, from what its first product imports
            warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", FutureWarning)
            return jvp(self.function, (self.point,), (tangent,))[1]

    def transposed(self, cotangent: Tensor) -> Tensor:
        return vjp(self.function, self.point)[1](cotangent)[0]

    @property
    def residual(self) -> float:
        """‖v‖, or ‖F(x) - x‖."""
        value = self.function(self.point)
        return torch.linalg.vector_norm(value - self.point if self.update else value).item()


def field_map(game: Game, profile: Profile, draw: Draw, direction: Direction = field) -> Map:
    """v at ``profile``, in the coordinates of its players in their order.

    With a rule's ``direction`` it is what all players follow together under that rule.
    """

    def v(point: Tensor) -> Tensor:
        gradients, _ = direction(game, tuple(profile), from_vector(point, profile), draw)
        return -to_vector(_arranged(gradients, profile))

    return Map(v, to_vector(profile), False)


def update_map(
    game: Game,
    rule: Rule,
    moves: Sequence[Move],
    profile: Profile,
    opt: Mapping[str, Any],
    draw: Draw,
    projections: Mapping[str, Callable[[Params], Params]] | None = None,
) -> Map:
    """One round of ``moves`` as a map of the parameters and of the rule's momenta.

    Every player follows the rule's own direction. Second moments and step counts are those of
    ``opt`` throughout. Raises ConfigError for an Adam that has not made a step yet.
    """
    if any(bool(leaf == 0) for leaf in _named(opt, "count")):
        raise ConfigError("opt: a rule with second moments needs at least one update before")
    rule = _with_held_moments(rule)
    projections = projections or {}
    template = {"profile": profile, "opt": _moving(opt)}

    def round(point: Tensor) -> Tensor:
        tree = from_vector(point, template)
        now, state = tree["profile"], _merged(opt, tree["opt"])
        for move in moves:
            now, state, _ = rule.update(
                lambda profile, move=move: rule.direction(game, move, profile, draw),
                move,
                now,
                state,
            )
            for player in move:
                if player in projections:
                    now[player] = projections[player](now[player])
        return to_vector(_arranged({"profile": now, "opt": state}, template))

    return Map(round, to_vector(template), True)


def _with_held_moments(rule: Rule) -> Rule:
    if not hasattr(rule, "transforms"):
        return rule
    held = copy.copy(rule)
    held.transforms = {
        player: transform._replace(update=transform.held) if transform.held else transform
        for player, transform in rule.transforms.items()
    }
    return held


def _moving(tree: Any) -> Any:
    """``tree`` without what is held."""
    if not isinstance(tree, Mapping):
        return tree
    return {name: _moving(part) for name, part in tree.items() if name not in HELD}


def _merged(tree: Any, moving: Any) -> Any:
    """``tree`` with the leaves of ``moving`` in their places."""
    if not isinstance(tree, Mapping):
        return moving
    return {
        name: _merged(part, moving[name]) if name in moving else part for name, part in tree.items()
    }


def _named(tree: Any, name: str) -> list[Tensor]:
    if not isinstance(tree, Mapping):
        return []
    own = leaves(tree[name]) if name in tree else []
    return own + [leaf for part in tree.values() for leaf in _named(part, name)]


def _arranged(tree: Any, like: Any) -> Any:
    """The parts of ``tree`` that ``like`` has, in its order."""
    if not isinstance(like, Mapping):
        return tree
    return {name: _arranged(tree[name], part) for name, part in like.items()}


def jacobian(map: Map, chunk: int = 64) -> np.ndarray:
    """The dense Jacobian (n, n), ``chunk`` columns at a time, which bounds the memory."""
    size = len(map.point)
    matrix = np.empty((size, size))
    columns = vmap(map.product)
    for start in range(0, size, chunk):
        count = min(chunk, size - start)
        tangents = map.point.new_zeros(count, size)
        tangents[torch.arange(count), start + torch.arange(count)] = 1
        matrix[:, start : start + count] = columns(tangents).T.numpy(force=True)
    return matrix


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues of a Jacobian and what follows from them.

    An eigenvalue is *null* where it is that of the identity: within ``tolerance`` of 0 for a field,
    of 1 for a round. Null directions are expected (parameters that change nothing) and are left out
    of every quantity but the counts. A *defective* zero splits by the root of rounding and may show
    as slow growth: the error is on the side of caution.
    """

    eigenvalues: np.ndarray
    """Complex, by falling real part."""
    size: int
    """Parameters; with fewer eigenvalues than these all quantities speak of the ones found."""
    residual: float
    """‖v‖, or ‖F(x) - x‖."""
    update: bool = False
    errors: np.ndarray | None = None
    """‖Jx - λx‖ of the unit eigenvectors found by Arnoldi, in the order of the eigenvalues."""
    stationary_below: float = 1e-6

    @property
    def complete(self) -> bool:
        return len(self.eigenvalues) == self.size

    @property
    def stationary(self) -> bool:
        return self.residual <= self.stationary_below

    @property
    def tolerance(self) -> float:
        """What separates an eigenvalue from zero growth: ROUNDING, and at a stationary point the
        residual too, since next to a zero of v null directions have eigenvalues of its order.
        """
        rounding = ROUNDING * self.size * float(np.abs(self.eigenvalues).max(initial=0.0))
        return rounding + (self.residual if self.stationary else 0.0)

    @property
    def null(self) -> np.ndarray:
        return np.abs(self.eigenvalues - self.update) <= self.tolerance

    @property
    def growth(self) -> np.ndarray:
        """Re λ of a field, |λ| - 1 of a round: positive grows, negative decays."""
        return np.abs(self.eigenvalues) - 1 if self.update else self.eigenvalues.real

    @property
    def growing(self) -> np.ndarray:
        """Which eigenvalues have positive real parts, or lie outside the unit circle."""
        return self.growth > self.tolerance

    @property
    def positive(self) -> int:
        return int(self.growing.sum())

    @property
    def zero(self) -> int:
        """Eigenvalues that neither grow nor decay: null ones and pure rotations."""
        return int((np.abs(self.growth) <= self.tolerance).sum())

    @property
    def negative(self) -> int:
        return int((self.growth < -self.tolerance).sum())

    @property
    def rest(self) -> np.ndarray:
        """The eigenvalues that are not null."""
        return self.eigenvalues[~self.null]

    @property
    def abscissa(self) -> float:
        """max Re λ (of a field) without the null ones; -inf where there are only those."""
        return float(self.rest.real.max(initial=-np.inf))

    @property
    def damped(self) -> bool:
        """Whether a field has eigenvalues that are not null, all with negative real parts."""
        return -np.inf < self.abscissa < -self.tolerance

    @property
    def radius(self) -> float:
        """max |λ| (of a round) without the null ones: the rate of local convergence."""
        return float(np.abs(self.rest).max(initial=0.0))

    @property
    def rotation(self) -> float:
        """max |Im λ / Re λ| of a field: turns against decay; infinite for a pure rotation."""
        imag, real = np.abs(self.rest.imag), np.abs(self.rest.real)
        turning = imag > self.tolerance
        if not turning.any():
            return 0.0
        real = np.where(real > self.tolerance, real, 0.0)[turning]
        with np.errstate(divide="ignore"):
            return float((imag[turning] / real).max())

    @property
    def largest_step(self) -> float:
        """min 2|Re λ|/|λ|² over a field's eigenvalues that are not null: simultaneous gradient
        descent with a smaller common step contracts (Mescheder et al. 2017, lemma 4). 0 where some
        real part is not negative: no step does.
        """
        rest = self.rest
        if (rest.real >= -self.tolerance).any():
            return 0.0
        return float((2 * np.abs(rest.real) / np.abs(rest) ** 2).min(initial=np.inf))

    @property
    def converges(self) -> bool | None:
        """Local convergence: True, False, or None where the eigenvalues do not decide."""
        if not self.stationary:
            return None
        worst = self.radius - 1 if self.update else self.abscissa
        if worst > self.tolerance:
            return False
        decided = self.complete and worst < -self.tolerance and not self.null.any()
        return True if decided else None

    def readings(self) -> dict[str, float | int | None]:
        """Counts and quantities by name; those that only a field, or only a round, has are None
        for the other.
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
        """A few lines of text; the residual first."""
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
        found, total = len(self.eigenvalues), self.size
        line = f"{found} of {total} eigenvalues"
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
    map: Map,
    which: Sequence[str] | None = None,
    count: int = 10,
    *,
    chunk: int = 64,
    stationary_below: float = 1e-6,
    iterations: int | None = None,
) -> Spectrum:
    """All eigenvalues up to DENSE_LIMIT parameters, beyond it Arnoldi's ``count`` of each kind.

    ``which``, names of WHICH, asks for Arnoldi at any size. Raises ConfigError for other names and
    for parameters that are not finite.
    """
    if not bool(torch.isfinite(map.point).all()):
        raise ConfigError("parameters: some are not finite; a spectrum needs finite ones")
    size = len(map.point)
    common = {
        "size": size,
        "residual": map.residual,
        "update": map.update,
        "stationary_below": stationary_below,
    }
    if which is None and size <= DENSE_LIMIT:
        return Spectrum(_by_real_part(np.linalg.eigvals(jacobian(map, chunk))), **common)
    found, errors = np.empty(0, complex), np.empty(0)
    for kind in which or WHICH:
        values, residuals = arnoldi(map, kind, count, iterations)
        known = np.abs(values[:, None] - found[None, :]).min(1, initial=np.inf)
        new = known > 1e-9 * np.abs(values).max(initial=0.0)
        found, errors = np.append(found, values[new]), np.append(errors, residuals[new])
    order = np.argsort(-found.real, kind="stable")
    return Spectrum(found[order], errors=errors[order], **common)


def arnoldi(
    map: Map, which: str, count: int = 10, iterations: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(eigenvalues, their residuals ‖Jx - λx‖): ``count`` of the kind ``which`` of WHICH.

    Fewer where the iteration did not converge. Raises ConfigError for another kind or too many.
    """
    size = len(map.point)
    if which not in WHICH:
        raise ConfigError(f"which: {which!r} given; allowed: {', '.join(WHICH)}")
    if not 1 <= count < size - 1:
        raise ConfigError(f"count: {count} given; allowed: 1 to {size - 2} of {size} parameters")

    def of_numpy(product: Callable[[Tensor], Tensor]) -> Callable[[np.ndarray], np.ndarray]:
        def apply(vector: np.ndarray) -> np.ndarray:
            tangent = torch.from_numpy(np.ascontiguousarray(vector.reshape(-1))).to(map.point)
            return product(tangent).numpy(force=True)

        return apply

    product = of_numpy(map.product)
    operator = LinearOperator(
        (size, size), matvec=product, rmatvec=of_numpy(map.transposed), dtype=np.float64
    )
    start = np.random.default_rng(0).standard_normal(size)
    basis = min(size, max(4 * count + 1, 40))
    try:
        values, vectors = eigs(
            operator, count, which=which, v0=start, ncv=basis, maxiter=iterations
        )
    except ArpackNoConvergence as stopped:
        values, vectors = stopped.eigenvalues, stopped.eigenvectors
    residuals = [
        np.linalg.norm(product(x.real.copy()) + 1j * product(x.imag.copy()) - value * x)
        for value, x in zip(values, vectors.T, strict=True)
    ]
    return values, np.array(residuals)


def _by_real_part(values: np.ndarray) -> np.ndarray:
    return values[np.argsort(-values.real, kind="stable")].astype(complex)


@dataclass(frozen=True)
class Sweep:
    """A field's spectral abscissa against the weight γ of a penalty, at one profile."""

    gammas: np.ndarray
    abscissae: np.ndarray
    damped: np.ndarray
    """Where the abscissa is negative beyond rounding (``Spectrum.damped``)."""
    residual: float
    """‖v‖ at the largest of the γ."""
    stable_from: float | None = None
    """The γ from which on the abscissa is negative, as far as the grid tells; None where the last
    is not, or where only ``stable_between`` is known.
    """
    stationary_below: float = 1e-6

    @property
    def stationary(self) -> bool:
        return self.residual <= self.stationary_below

    @property
    def critical(self) -> float:
        """The γ of the grid with the least abscissa; on the Dirac-GAN the critical damping."""
        return float(self.gammas[np.argmin(self.abscissae)])

    @property
    def stable_between(self) -> tuple[float, float] | None:
        """The last γ that is not damped and the next, the first from which on all are; both the
        first γ where all are damped, None where the last is not.
        """
        first = _first_of_the_rest(self.damped)
        if first == len(self.gammas):
            return None
        return float(self.gammas[max(first - 1, 0)]), float(self.gammas[first])


def _first_of_the_rest(damped: np.ndarray) -> int:
    """The index from which on all are damped; the length where the last is not."""
    return int(np.flatnonzero(~damped).max(initial=-1)) + 1


def gamma_sweep(
    game: Callable[[float], Game],
    profile: Profile,
    draw: Draw,
    gammas: Sequence[float] | np.ndarray,
) -> Sweep:
    """``game(γ)``'s field must be affine in γ, as with any penalty of weight γ. γ must rise.

    Dense up to DENSE_LIMIT parameters, from two Jacobians, and then with the γ from which on the
    abscissa is negative to a millionth of the grid's step; beyond it Arnoldi's rightmost ones.
    """
    gammas = np.asarray(gammas, dtype=float)
    if not (gammas >= 0).all() or not (np.diff(gammas) > 0).all():
        raise ConfigError("gammas: allowed are rising numbers, none below 0")
    last = field_map(game(float(gammas[-1])), profile, draw)
    size, residual = len(last.point), last.residual
    dense = size <= DENSE_LIMIT
    if dense:
        without = jacobian(field_map(game(0.0), profile, draw))
        slope = jacobian(field_map(game(1.0), profile, draw)) - without

    def at(gamma: float) -> Spectrum:
        if dense:
            values = np.linalg.eigvals(without + gamma * slope)
        else:
            values, _ = arnoldi(field_map(game(gamma), profile, draw), "LR")
        return Spectrum(values.astype(complex), size, residual)

    spectra = [at(gamma) for gamma in gammas.tolist()]
    abscissae = np.array([one.abscissa for one in spectra])
    sweep = Sweep(gammas, abscissae, np.array([one.damped for one in spectra]), residual)
    if sweep.stable_between is None:
        return sweep
    low, high = sweep.stable_between
    if dense:
        for _ in range(HALVINGS if low < high else 0):
            middle = (low + high) / 2
            low, high = (low, middle) if at(middle).damped else (middle, high)
    return replace(sweep, stable_from=high) if dense or low == high else sweep
