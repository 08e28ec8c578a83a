"""Zero-sum games with a bilinear or quadratic value. They are the smallest games that rotate."""

import torch
from torch import Tensor

from vral.games.toy import Toy
from vral.types import Draw, Profile, Scalar


def quadratic(xx: Tensor, xy: Tensor, yy: Tensor) -> Toy:
    """The game in which x minimises and y maximises xᵀ(xx)x + xᵀ(xy)y + yᵀ(yy)y.

    ``xx`` (n, n) and ``yy`` (m, m) need not be symmetric; ``xy`` is (n, m). Both players start at
    ones. The only stationary point of x² + 10xy + y² (``scalar_quadratic(1, 10, 1)``) is 0. There x
    is at a minimum of its loss, but y at a *minimum* of what it maximises.
    Source: the quadratic games of Mescheder et al. 2017 and Balduzzi et al. 2018.

    Raises:
        IndexError, RuntimeError: shapes that do not fit (raised by torch).
    """
    xx, xy, yy = (value.double() for value in (xx, xy, yy))

    def value(profile: Profile) -> Scalar:
        x, y = profile["x"]["x"], profile["y"]["y"]
        return x @ xx @ x + x @ xy @ y + y @ yy @ y

    def loss_x(profile: Profile, draw: Draw) -> tuple[Scalar, tuple[()]]:
        return value(profile), ()

    def loss_y(profile: Profile, draw: Draw) -> tuple[Scalar, tuple[()]]:
        return -value(profile), ()

    start = {
        "x": {"x": torch.ones(len(xx), dtype=torch.float64)},
        "y": {"y": torch.ones(len(yy), dtype=torch.float64)},
    }
    return Toy({"x": loss_x, "y": loss_y}, start)


def scalar_quadratic(xx: float, xy: float, yy: float) -> Toy:
    """The game of two numbers x, y with value a·x² + b·xy + c·y², for (a, b, c) = (xx, xy, yy)."""
    return quadratic(*(torch.tensor([[float(value)]]) for value in (xx, xy, yy)))


def bilinear(coupling: Tensor) -> Toy:
    """The game with value xᵀ(coupling)y, ``coupling`` (n, m).

    Simultaneous gradient descent spirals away from its equilibrium 0; alternating descent circles.
    Source: Mescheder et al. 2017; Gidel et al. 2019.
    """
    n, m = coupling.shape
    return quadratic(torch.zeros(n, n), coupling, torch.zeros(m, m))
