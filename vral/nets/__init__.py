"""Generators and discriminators. NETWORKS is the registry; each row builds both players."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from vral.nets import dcgan, mlp
from vral.nets.network import Discriminator, Generator, initial_parameters

Shape = tuple[int, ...]


@dataclass(frozen=True)
class NetworkPair:
    """Builders of a pair; ``width`` scales both, ``fits`` says which sample shapes it accepts."""

    description: str
    width: int
    discriminator: Callable[[Shape, int, str], Discriminator]
    generator: Callable[[Shape, int, int, str, nn.Module], Generator]
    fits: Callable[[Shape], bool]
    accepts: str


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

OUTPUTS: dict[str, Callable[[], nn.Module]] = {
    "unit": nn.Sigmoid,  # samples in [0, 1]
    "symmetric": nn.Tanh,  # samples in [-1, 1]
    "real": nn.Identity,  # points on the line or in the plane
}

__all__ = [
    "NETWORKS",
    "NORMS",
    "OUTPUTS",
    "Discriminator",
    "Generator",
    "NetworkPair",
    "initial_parameters",
]
