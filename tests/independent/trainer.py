"""An independent trainer: MNIST cells of the ``deck`` study by a plain loop.

It was written from the method's specification and the README. Networks, losses, updates and the
order of moves are its own (torch.nn, torch.optim.Adam, torchvision's MNIST). Of the package it uses
the measure alone, so that its Fréchet distance and coverage are on the package's scale.

    python tests/independent/trainer.py --method nonsaturating --ratio 1 --rounds 5000 --seed 0

trains one cell on one thread and prints one line of JSON. Its random numbers are not the package's:
distributions over seeds can agree, single runs cannot.

* D: 784-256-256-1, LeakyReLU 0.2, no norm. G: 100-256-256-784 with ReLU and a sigmoid at the end;
  batch norm (statistics of the batch, ε 1e-4) before each ReLU, and no bias before a norm.
* Weights are Glorot-uniform, biases zero. Adam: lr 1e-3, β 0.5 and 0.999, ε 1e-8. Batch 64.
* A round at k:1 is k updates of D, then one of G. For VRAL F, R and D move in turn k times. Every
  move has fresh latents N(0, I) and fresh images, uniformly from the 60,000 to train on.
* 2,000 latents are judged against the 10,000 held-out images just before G's last update.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torchvision.datasets import MNIST

from vral.data.datasets import Dataset, cache_root
from vral.diagnostics.quality import quality_measure

LATENT, WIDTH, BATCH, JUDGED = 100, 256, 64, 2000

METHODS: dict[str, tuple[Callable[[Tensor], Tensor], ...]] = {
    "nonsaturating": (lambda s: softplus(-s), softplus, lambda s: softplus(-s)),
    "lsgan": (
        lambda s: (s - 1) ** 2 / 2,
        lambda s: (s + 1) ** 2 / 2,
        lambda s: (s - 1) ** 2 / 2,
    ),
    "vral-meta": (lambda m: softplus(-m), lambda m: softplus(-m), lambda s: (s - 1) ** 2 / 2),
}
"""What D minimises on reals and on fakes, and G on fakes. VRAL's D sees the logits of R and F."""


def make_networks(pixels: int) -> dict[str, nn.Sequential]:
    """D, G, F and R with fresh parameters."""

    def normed(size: int) -> list[nn.Module]:
        norm = nn.BatchNorm1d(WIDTH, eps=1e-4, track_running_stats=False)
        return [nn.Linear(size, WIDTH, bias=False), norm, nn.ReLU()]

    def leaky(size: int) -> list[nn.Module]:
        return [nn.Linear(size, WIDTH), nn.LeakyReLU(0.2)]

    networks = {
        "D": nn.Sequential(*leaky(pixels), *leaky(WIDTH), nn.Linear(WIDTH, 1)),
        "G": nn.Sequential(*normed(LATENT), *normed(WIDTH), nn.Linear(WIDTH, pixels), nn.Sigmoid()),
        "F": nn.Sequential(nn.Linear(1, 28), nn.ReLU(), nn.Linear(28, 1)),
        "R": nn.Sequential(nn.Linear(1, 28), nn.ReLU(), nn.Linear(28, 1)),
    }
    for network in networks.values():
        for layer in network.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
    return networks


def train(
    images: Tensor, method: str, ratio: int, rounds: int, seed: int
) -> tuple[Tensor, Tensor, nn.Module]:
    """(samples, scores, D): G of the fixed latents, D of these, and D, before G's last update.

    ``images`` (count, pixels) lie in [0, 1]. Raises FloatingPointError for a loss that is not
    finite.
    """
    torch.manual_seed(seed)
    networks = make_networks(images.shape[1])
    d, g, f, r = networks.values()
    adam = {
        name: torch.optim.Adam(network.parameters(), lr=1e-3, betas=(0.5, 0.999), eps=1e-8)
        for name, network in networks.items()
    }
    fixed = torch.randn(JUDGED, LATENT)
    on_real, on_fake, on_own = METHODS[method]
    meta = method == "vral-meta"

    def real() -> Tensor:
        return images[torch.randint(len(images), (BATCH,))]

    def fake() -> Tensor:
        with torch.no_grad():
            return g(torch.randn(BATCH, LATENT))

    def update(player: str, loss: Tensor) -> None:
        if not torch.isfinite(loss):
            raise FloatingPointError(f"the loss of {player} is {loss.item()}")
        adam[player].zero_grad()
        # In its parameters alone: a gradient left in another network would enter its next update.
        loss.backward(inputs=list(networks[player].parameters()))
        adam[player].step()

    def meta_loss(judge: nn.Module, mean: float, scores: Tensor) -> Tensor:
        """That of F or R, which tells samples of N(mean, 1) from D's scores."""
        target = mean + torch.randn_like(scores)
        return softplus(-judge(target)).mean() + softplus(judge(scores)).mean()

    for number in range(rounds):
        for _ in range(ratio):
            if meta:
                update("F", meta_loss(f, 0.0, d(fake()).detach()))
                update("R", meta_loss(r, 1.0, d(real()).detach()))
            score_real, score_fake = d(real()), d(fake())
            if meta:
                score_real, score_fake = r(score_real), f(score_fake)
            update("D", on_real(score_real).mean() + on_fake(score_fake).mean())
        if number == rounds - 1:
            break
        update("G", on_own(d(g(torch.randn(BATCH, LATENT)))).mean())
    with torch.no_grad():
        samples = g(fixed)
        return samples, d(samples).squeeze(1), d


def load(root: Path) -> Dataset:
    """MNIST as the measure takes it: (count, 1, 28, 28) in [0, 1]."""
    train, held_out = (MNIST(root, train=part) for part in (True, False))
    images, test = (part.data[:, None].float() / 255 for part in (train, held_out))
    return Dataset("mnist", images, test, "unit", train.targets, held_out.targets)


def main() -> None:
    """Train one cell and print one line of JSON."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--method", choices=METHODS, required=True)
    parser.add_argument("--ratio", type=int, default=1, help="updates of D per update of G")
    parser.add_argument("--rounds", type=int, required=True, help="updates of G")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-root", default=os.environ.get("VRAL_DATA"), help="of torchvision")
    options = parser.parse_args()
    cell = {name: getattr(options, name) for name in ("method", "ratio", "rounds", "seed")}
    torch.set_num_threads(1)
    data = load(Path(options.data_root or "."))
    began, used = time.monotonic(), time.process_time()
    samples, scores, _ = train(data.train.flatten(1), **cell)
    seconds = {"seconds": time.monotonic() - began, "cpu_seconds": time.process_time() - used}
    judge, _ = quality_measure(data, cache_root())
    quality = judge(samples.reshape(-1, 1, 28, 28))
    row = {**cell, **quality, "var_fake": scores.var(unbiased=False).item(), **seconds}
    print(json.dumps(row))


if __name__ == "__main__":
    main()
