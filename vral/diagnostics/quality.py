"""Sample quality without a download: Fréchet distance and coverage on learned features.

The features are those of a small classifier. Those of MNIST and digits come with the package; on
other data it is trained once, on the training split and on one CPU thread, and cached. Its numbers
compare methods on one data set; they are no Inception scores.
"""

import hashlib
import inspect
import io
import logging
import zipfile
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import parent_process
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vral.data.datasets import Dataset
from vral.data.draws import rng
from vral.diagnostics.coverage import coverage, mixture_quality, reverse_kl, variance_share
from vral.diagnostics.transport import wasserstein, wasserstein_references
from vral.errors import FolderError
from vral.files import write_bytes

FEATURES = 32
"""Number of features."""
UPDATES = 1500
"""Updates of the classifier's training."""

SHIPPED = Path(__file__).parent / "classifiers"
"""Classifiers that ``train_classifier`` made on the machine of the published studies. Trained on
another processor MNIST's is another one, with another Fréchet distance of the training split (2.75
there, 2.92 here), and distances under the two do not compare."""


def frechet_distance(first: NDArray, second: NDArray) -> float:
    """‖μ₁-μ₂‖² + tr(Σ₁ + Σ₂ - 2(Σ₁Σ₂)^½) of two samples (n, dim), with unbiased covariances.

    The eigenvalues of Σ₁Σ₂ are real and not negative; those that rounding makes negative count as
    0. The distance is infinite where a covariance overflows.
    """
    first, second = first.astype(np.float64), second.astype(np.float64)
    gap = first.mean(0) - second.mean(0)
    cov_first, cov_second = np.cov(first.T), np.cov(second.T)
    if not (np.isfinite(cov_first).all() and np.isfinite(cov_second).all()):
        return float("inf")
    roots = np.sqrt(np.clip(np.linalg.eigvals(cov_first @ cov_second).real, 0, None))
    return float(gap @ gap + np.trace(cov_first) + np.trace(cov_second) - 2 * roots.sum())


class Classifier(nn.Module):
    """Two 3×3 stride-2 convolutions and a dense layer of features, then a score for each class.

    Images (batch, channel, side, side) to logits (batch, class).
    """

    def __init__(self, shape: tuple[int, ...], classes: int):
        super().__init__()
        side = -(-shape[1] // 4)
        self.channels = shape[0]
        self.body = nn.Sequential(
            nn.Conv2d(shape[0], 32, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, 2, 1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(64 * side * side, FEATURES),
            nn.ReLU(),
        )
        self.head = nn.Linear(FEATURES, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images))


def train_classifier(data: Dataset) -> Classifier:
    """A classifier of ``data``, trained with Adam at 1e-3 on batches of 128, from a fixed seed."""
    labels = _labels(data.train_labels)
    random = rng(torch.device("cpu"), "classifier", data.name)
    network = Classifier(data.shape, int(labels.max()) + 1)
    for value in network.parameters():
        if value.ndim > 1:
            nn.init.xavier_uniform_(value, generator=random)
        else:
            nn.init.zeros_(value)
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    for _ in range(UPDATES):
        index = torch.randint(len(data.train), (128,), generator=random)
        loss = nn.functional.cross_entropy(network(data.train[index]), labels[index])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network.requires_grad_(False)


def source_digest(*made_by: Callable) -> str:
    """A digest of the source text of functions and classes."""
    text = "\n".join(map(inspect.getsource, made_by))
    return hashlib.sha256(text.encode()).hexdigest()


CODE = source_digest(Classifier, train_classifier, rng)
"""What a classifier was made by. A number raised by hand would rest on somebody's memory; that a
new comment, too, trains it again costs seconds."""


def classifier_file(data: Dataset) -> str:
    """The name of a classifier's file, which holds all that decides the classifier.

    That is its code and the content of the data that it is trained on. Versions of torch share a
    file, so that Fréchet distances from before and after an update compare.
    """
    digest = hashlib.sha256(f"{CODE} {UPDATES} {data.shape}".encode())
    for tensor in (data.train, _labels(data.train_labels)):
        digest.update(tensor.contiguous().numpy().data)
    return f"classifier-{data.name}-{digest.hexdigest()[:32]}.pt"


def cached_classifier(data: Dataset, cache: Path) -> Classifier:
    """The classifier of ``data``: of SHIPPED, else trained on first use and kept in ``cache``.

    Where it cannot be kept, every process trains it, and the first says so on the log.
    """
    name = classifier_file(data)
    path = cache / name
    for file in (SHIPPED / name, path):
        network = _read_classifier(data, file)
        if network is not None:
            return network
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        network = train_classifier(data)
    finally:
        torch.set_num_threads(threads)
    content = io.BytesIO()
    torch.save(network.state_dict(), content)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        write_bytes(path, content.getvalue())
    except (FolderError, OSError) as error:
        if parent_process() is None:
            logging.getLogger("vral").warning(
                f"the classifier of {data.name} cannot be kept, so every start trains it again "
                f"({error}); VRAL_CACHE names another folder"
            )
    return network


def _read_classifier(data: Dataset, path: Path) -> Classifier | None:
    """The classifier in ``path``, None where there is none or the file is damaged.

    The checksums of the archive, which torch does not look at, tell a flipped bit.
    """
    # Damage can raise anything.
    with suppress(Exception):
        if path.is_file():
            with zipfile.ZipFile(path) as archive:
                damaged = archive.testzip()
            if damaged is None:
                network = Classifier(data.shape, int(_labels(data.train_labels).max()) + 1)
                network.load_state_dict(torch.load(path, weights_only=True))
                return network.requires_grad_(False)
    return None


def _labels(labels: Tensor | None) -> Tensor:
    if labels is None:
        raise ValueError("a classifier needs labelled data")
    return labels


def features(network: Classifier, images: Tensor) -> NDArray:
    """Penultimate activations, (n, FEATURES); (n, channels·FEATURES) for stacks of images."""
    alone = images.reshape(-1, network.channels, *images.shape[2:])
    with torch.no_grad():
        activations = torch.cat([network.body(part) for part in alone.split(1000)])
    return activations.reshape(len(images), -1).numpy()


def read_labels(network: Classifier, activations: NDArray) -> NDArray[np.integer]:
    """The labels (n,) that the classifier gives, from the ``activations`` of ``features``.

    A stack's label is the number whose digits are the labels of its channels.
    """
    with torch.no_grad():
        logits = network.head(torch.from_numpy(activations).unflatten(1, (-1, FEATURES)))
    digits = logits.argmax(-1).numpy()
    places = logits.shape[-1] ** np.arange(digits.shape[1])[::-1]
    return digits @ places


Quality = Callable[[Tensor], dict[str, float]]
"""Samples (n, *sample) on the CPU to named numbers."""


def quality_measure(data: Dataset, cache: Path) -> tuple[Quality, dict[str, float]]:
    """The measure of samples of ``data`` on the CPU, and reference values of the measure itself.

    * Labelled images: "frechet" (lower is better), "coverage" and "variance_share", against the
      held-out split. Their floors are those of the training split, judged as if it were generated.
    * Stacks: the same three, the first two by the classifier of one channel; "modes_covered", the
      number of labels that are read at least once; and "reverse_kl" to the shares with which the
      training triples are drawn.
    * Mixtures: "modes_covered", "high_quality" and "reverse_kl".
    * Other points: the three image measures on the coordinates. If ``data.w1_size`` is not 0 also
      "w1", exact on that many generated and held-out points; its references are its floor and the
      value of a G that makes one point.

    The floor of "reverse_kl" is that of the held-out split: the value that a perfect generator gets
    from the finite sample and from misread labels.
    """
    if data.modes is not None:
        return _mixture_measure(data, data.modes.numpy())
    if len(data.shape) == 1:
        return _point_measure(data)
    return _image_measure(data, cache)


def _mixture_measure(data: Dataset, modes: NDArray) -> tuple[Quality, dict[str, float]]:
    def judge(samples: Tensor) -> dict[str, float]:
        return mixture_quality(samples.numpy(), modes, data.mode_sd)

    floor = judge(data.held_out[: data.probe_size])["reverse_kl"]
    return judge, {"reverse_kl_floor": floor}


def _point_measure(data: Dataset) -> tuple[Quality, dict[str, float]]:
    held_out, size = data.held_out.numpy(), data.w1_size

    def judge(samples: Tensor) -> dict[str, float]:
        fake = samples.numpy()
        distance = {"w1": wasserstein(fake[:size], held_out[:size])} if size else {}
        return {
            "frechet": frechet_distance(fake, held_out),
            "coverage": coverage(held_out[:2000], fake),
            "variance_share": variance_share(held_out, fake),
            **distance,
        }

    known = wasserstein_references(data.train.numpy(), held_out[:size]) if size else {}
    return judge, known


def _image_measure(data: Dataset, cache: Path) -> tuple[Quality, dict[str, float]]:
    network = cached_classifier(data.channel or data, cache)
    held_out = features(network, data.held_out)

    def judge_modes(labels: NDArray[np.integer]) -> dict[str, float]:
        if data.channel is None:
            return {}
        digits = _labels(data.channel.train_labels)
        share = np.bincount(digits) / len(digits)
        shares = np.kron(np.kron(share, share), share)
        return {
            "modes_covered": float(len(np.unique(labels))),
            "reverse_kl": reverse_kl(labels, shares),
        }

    def judge(samples: Tensor) -> dict[str, float]:
        fake = features(network, samples)
        return {
            "frechet": frechet_distance(fake, held_out),
            "coverage": coverage(held_out[:2000], fake),
            "variance_share": variance_share(
                data.held_out.flatten(1).numpy(), samples.flatten(1).numpy()
            ),
            **judge_modes(read_labels(network, fake)),
        }

    labels = read_labels(network, held_out)
    floor = judge(data.train[: data.probe_size]) | judge_modes(labels[: data.probe_size])
    known = {f"{name}_floor": value for name, value in floor.items()}
    known["classifier_accuracy"] = float((labels == _labels(data.held_out_labels).numpy()).mean())
    return judge, known
