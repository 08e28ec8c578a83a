"""Zero-sum games with a bilinear or quadratic value: the smallest games that rotate."""

import torch
from torch import Tensor

from vral.games.toy import Toy
from vral.types import Draw, Profile, Scalar


def quadratic(xx: Tensor, xy: Tensor, yy: Tensor) -> Toy:
    """x minimises and y maximises xᵀ(xx)x + xᵀ(xy)y + yᵀ(yy)y.

    ``xx`` (n, n) and ``yy`` (m, m) need not be symmetric, ``xy`` is (n, m). With scalars
    quadratic(1, 10, 1) is x² + 10xy + y², whose only stationary point is 0: there x sits at a
    minimum of its loss, and y at a *minimum* of what it maximises. Raises IndexError and
    RuntimeError (torch's) where shapes do not fit. Source: the quadratic games of Mescheder et al.
    2017 and Balduzzi et al. 2018.
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
    """xx·x² + xy·xy + yy·y² of two numbers; (1, 10, 1) is the game x² + 10xy + y²."""
    return quadratic(*(torch.tensor([[float(value)]]) for value in (xx, xy, yy)))


def bilinear(coupling: Tensor) -> Toy:
    """The game xᵀ(coupling)y with ``coupling`` (n, m): x minimises it, y maximises it.

    Simultaneous gradient descent leaves its equilibrium 0, alternating descent circles it. Source:
    Mescheder et al. 2017; Gidel et al. 2019.
    """
    n, m = coupling.shape
    return quadratic(torch.zeros(n, n), coupling, torch.zeros(m, m))
