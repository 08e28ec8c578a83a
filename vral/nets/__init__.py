"""Generators and discriminators. NETWORKS is the registry; each of its rows builds a pair."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from vral.nets import dcgan, mlp
from vral.nets.network import Discriminator, Generator, initial_parameters

Shape = tuple[int, ...]


@dataclass(frozen=True)
class NetworkPair:
    """A discriminator and a generator that are used together."""

    description: str
    width: int
    """The default of ``--width``, which scales both networks."""
    discriminator: Callable[[Shape, int, str], Discriminator]
    """(sample shape, width, norm) to D."""
    generator: Callable[[Shape, int, int, str, nn.Module], Generator]
    """(sample shape, latent size, width, norm, output nonlinearity) to G."""
    fits: Callable[[Shape], bool]
    """Whether the pair accepts a sample shape."""
    accepts: str
    """The accepted shapes in words."""


NETWORKS: dict[str, NetworkPair] = {
    "mlp": NetworkPair(
        "two hidden layers each; D LeakyReLU 0.2, G ReLU; any data",
        width=64,
        discriminator=mlp.discriminator,
        generator=mlp.generator,
        fits=lambda shape: True,
        accepts="any shape",
    ),
    "segment": NetworkPair(
        "D as mlp; G is a segment of unit half-length whose one parameter moves it sideways",
        width=64,
        discriminator=mlp.discriminator,
        generator=mlp.segment,
        fits=lambda shape: shape == (2,),
        accepts="points in the plane",
    ),
    "mnist-conv": NetworkPair(
        "the VRAL authors' MNIST pair (5×5 convolutions, dense 1024; 6.6 M parameters in D)",
        width=64,
        discriminator=dcgan.mnist_discriminator,
        generator=dcgan.mnist_generator,
        fits=lambda shape: shape == (1, 28, 28),
        accepts="1×28×28 images",
    ),
    "dcgan": NetworkPair(
        "the VRAL authors' DCGAN pair: CIFAR-10's three stages at 32×32, CelebA's four at 64×64",
        width=128,
        discriminator=dcgan.discriminator,
        generator=dcgan.generator,
        fits=lambda shape: len(shape) == 3 and shape[1:] in ((32, 32), (64, 64)),
        accepts="32×32 or 64×64 images",
    ),
}

NORMS = ("none", "batch", "group")
"""Norms of hidden layers, of ``nets.norm``."""

D_NORMS = (*NORMS, "spectral")
"""What D may have; spectral normalisation is one of weights."""

OUTPUTS: dict[str, Callable[[], nn.Module]] = {
    "unit": nn.Sigmoid,  # samples in [0, 1]
    "symmetric": nn.Tanh,  # samples in [-1, 1]
    "real": nn.Identity,  # points on the line or in the plane
}
"""G's last nonlinearity by the range of the data."""

__all__ = [
    "D_NORMS",
    "NETWORKS",
    "NORMS",
    "OUTPUTS",
    "Discriminator",
    "Generator",
    "NetworkPair",
    "initial_parameters",
]
