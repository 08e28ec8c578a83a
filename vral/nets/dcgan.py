"""The convolutional pairs of the VRAL authors' code (MNIST; CIFAR-10 and CelebA), of any width."""

import math
from itertools import pairwise

from torch import nn

from vral.nets.network import Discriminator, Generator
from vral.nets.norm import linear_score, normalised, on_weights


def mnist_discriminator(shape: tuple[int, ...], width: int, norm: str) -> Discriminator:
    """1×28×28 → two 5×5 stride-2 convolutions (width, 2·width) → dense 16·width → 1.

    LeakyReLU 0.01; the dense layer has no norm but a spectral one.
    """
    dense = nn.Linear(2 * width * 7 * 7, 16 * width)
    stages = [
        normalised(nn.Conv2d(1, width, 5, 2, 2), width, norm, nn.LeakyReLU(0.01)),
        normalised(nn.Conv2d(width, 2 * width, 5, 2, 2), 2 * width, norm, nn.LeakyReLU(0.01)),
        nn.Sequential(
            nn.Flatten(), *normalised(dense, 16 * width, on_weights(norm), nn.LeakyReLU(0.01))
        ),
    ]
    return Discriminator(stages, linear_score(16 * width, norm), shape)


def mnist_generator(
    shape: tuple[int, ...], latent: int, width: int, norm: str, output: nn.Module
) -> Generator:
    """latent → dense 16·width → dense 2·width·7·7 → two 5×5 stride-2 deconvolutions → 1×28×28."""
    first = nn.ConvTranspose2d(2 * width, width, 5, 2, 2, output_padding=1)
    body = nn.Sequential(
        normalised(nn.Linear(latent, 16 * width), 16 * width, norm, nn.ReLU()),
        normalised(nn.Linear(16 * width, 2 * width * 7 * 7), 2 * width * 7 * 7, norm, nn.ReLU()),
        nn.Unflatten(1, (2 * width, 7, 7)),
        normalised(first, width, norm, nn.ReLU()),
        nn.ConvTranspose2d(width, 1, 5, 2, 2, output_padding=1),
        output,
    )
    return Generator(body, latent, orthogonal_deconvolutions=True)


def _stages(shape: tuple[int, ...]) -> int:
    """How often the image's side is halved to reach 4."""
    return int(math.log2(shape[-1] // 4))


def discriminator(shape: tuple[int, ...], width: int, norm: str) -> Discriminator:
    """4×4 stride-2 convolutions of width, 2·width, … channels until the image is 4×4, then 1.

    LeakyReLU 0.02; the first stage has no norm but a spectral one.
    """
    channels = [shape[0], *(width * 2**i for i in range(_stages(shape)))]
    stages = [
        normalised(nn.Conv2d(a, b, 4, 2, 1), b, norm if i else on_weights(norm), nn.LeakyReLU(0.02))
        for i, (a, b) in enumerate(pairwise(channels))
    ]
    return Discriminator(stages, linear_score(channels[-1] * 4 * 4, norm), shape)


def generator(
    shape: tuple[int, ...], latent: int, width: int, norm: str, output: nn.Module
) -> Generator:
    """latent → dense to 4×4, then 4×4 stride-2 deconvolutions: D's widths in reverse."""
    channels = [*(width * 2**i for i in reversed(range(_stages(shape)))), shape[0]]
    start = channels[0] * 4 * 4
    body = nn.Sequential(
        normalised(nn.Linear(latent, start), start, norm, nn.ReLU()),
        nn.Unflatten(1, (channels[0], 4, 4)),
        *(
            normalised(nn.ConvTranspose2d(a, b, 4, 2, 1), b, norm, nn.ReLU())
            for a, b in pairwise(channels[:-1])
        ),
        nn.ConvTranspose2d(channels[-2], channels[-1], 4, 2, 1),
        output,
    )
    return Generator(body, latent)
