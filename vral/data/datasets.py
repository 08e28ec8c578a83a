"""The data sets, each a tensor with a held-out split.

DATASETS is the registry. A row declares size, shape and range of its data, so that a run can be
configured before anything is loaded, and the defaults of a run on it (network, latent size, rounds,
learning rate); ``vral ls`` shows them.
"""

import io
import os
import pickle
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vral.data.originals import Originals, md5_of
from vral.errors import DataError


@dataclass(frozen=True)
class Dataset:
    """A loaded data set. Samples are float32, (count, *shape)."""

    name: str
    train: Tensor
    held_out: Tensor
    output: str
    """Range of a sample: "unit" [0, 1], "symmetric" [-1, 1] or "real"."""
    train_labels: Tensor | None = None
    held_out_labels: Tensor | None = None
    modes: Tensor | None = None
    """Centres (modes, dim) of a mixture, None otherwise."""
    mode_sd: float = 0.0
    channel: "Dataset | None" = None
    """The one-channel data set whose images are stacked here, for stacks."""
    probe_size: int = 2000
    """Number of latents of a probe; it takes at most as many held-out samples."""
    w1_size: int = 0
    """Number of samples on which a probe measures the Wasserstein-1 distance; 0 for no such
    measurement."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return tuple(self.train.shape[1:])

    def to(self, device: torch.device) -> "Dataset":
        """The same data with every tensor on ``device``."""
        moved = {
            name: value.to(device)
            for name, value in vars(self).items()
            if isinstance(value, Tensor)
        }
        return replace(self, **moved)


Load = Callable[[Path, bool], Dataset]
"""(root folder, whether to download) to the data."""


@dataclass(frozen=True)
class DatasetRow:
    """How to load a data set, and the defaults of a run on it."""

    description: str
    load: Load
    size: int
    """Number of training samples."""
    shape: tuple[int, ...]
    """Shape of one sample."""
    output: str
    """Range of a sample, as in ``Dataset.output``."""
    defaults: dict[str, object] = field(default_factory=dict)
    """Fields of RunConfig to the defaults of a run on this data."""


STAMPS = "verified.json"
"""File in the cache that remembers which files were verified."""

NOWHERE = Path(os.devnull, "vral")
"""A folder that does not exist and cannot be made."""


def data_root(option: str | None = None) -> Path:
    """Folder of torchvision's data: ``option``, else $VRAL_DATA, else one in the user's cache.

    Raises DataError where the former two are in the home of a user who has none.
    """
    chosen = option or os.environ.get("VRAL_DATA")
    if not chosen:
        return cache_root() / "data"
    try:
        return Path(chosen).expanduser()
    except RuntimeError:
        source = "--data-root" if option else "VRAL_DATA"
        raise DataError(f"{source}: {chosen} given, but there is no such home folder") from None


def cache_root() -> Path:
    """$VRAL_CACHE, else vral's folder in the user's cache; NOWHERE for a user without a home.

    Nothing in it is ever necessary: what cannot be kept there is computed again.
    """
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        return Path(os.environ.get("VRAL_CACHE") or Path(base) / "vral").expanduser()
    except RuntimeError:
        return NOWHERE


DIGITS_MD5 = "265453a2439934797bb770ce205b6fad"
"""The checksum of scikit-learn's rows as bytes, 64 pixels and a label each."""


def _digits(root: Path, download: bool) -> Dataset:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    try:
        images, labels = load_digits(return_X_y=True)
        sound = md5_of(np.c_[images, labels].astype(np.uint8).tobytes()) == DIGITS_MD5
    except (EOFError, OSError, ValueError, zlib.error):
        sound = False
    if not sound:
        raise DataError("scikit-learn's digits.csv.gz is corrupt; install scikit-learn again")
    split = train_test_split(
        images.astype(np.float32).reshape(-1, 1, 8, 8) / 16,
        labels.astype(np.int64),
        test_size=360,
        random_state=0,
        stratify=labels,
    )
    train, held_out, train_labels, held_out_labels = map(torch.from_numpy, split)
    return Dataset("digits", train, held_out, "unit", train_labels, held_out_labels)


def _mixture(name: str, centres: np.ndarray, sd: float) -> Dataset:
    """25,000 points of a mixture of equal Gaussians, labelled by their modes."""
    random = np.random.default_rng(0)
    modes = random.integers(len(centres), size=25_000)
    drawn = centres[modes] + sd * random.standard_normal((len(modes), 2))
    points = torch.from_numpy(drawn.astype(np.float32))
    labels = torch.from_numpy(modes)
    return Dataset(
        name,
        points[:20_000],
        points[20_000:],
        "real",
        labels[:20_000],
        labels[20_000:],
        modes=torch.from_numpy(centres.astype(np.float32)),
        mode_sd=sd,
    )


def _ring(root: Path, download: bool) -> Dataset:
    angle = 2 * np.pi * np.arange(8) / 8
    return _mixture("ring", np.stack([np.cos(angle), np.sin(angle)], axis=1), 0.05)


def _grid(root: Path, download: bool) -> Dataset:
    axis = np.linspace(-2, 2, 5)
    centres = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    return _mixture("grid", centres, 0.05)


def _points(name: str, first: np.ndarray, second: np.ndarray, w1_size: int = 0) -> Dataset:
    """Points (25,000, 2) from their two coordinates."""
    points = torch.from_numpy(np.stack([first, second], axis=1).astype(np.float32))
    return Dataset(name, points[:20_000], points[20_000:], "real", w1_size=w1_size)


def _segments(root: Path, download: bool) -> Dataset:
    heights = np.random.default_rng(0).uniform(-1, 1, 25_000).astype(np.float32)
    return _points("segments", np.ones_like(heights), heights)


W1_SIZE = 1024
"""``Dataset.w1_size`` of the data sets on which Wasserstein-1 is measured."""


def _gaussian(root: Path, download: bool) -> Dataset:
    points = np.random.default_rng(0).standard_normal((25_000, 2))
    return _points("gaussian", points[:, 0], points[:, 1], W1_SIZE)


def _line(root: Path, download: bool) -> Dataset:
    along = np.random.default_rng(0).uniform(-1, 1, 25_000)
    return _points("line", along, np.zeros_like(along), W1_SIZE)


def _circle(root: Path, download: bool) -> Dataset:
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 25_000)
    return _points("circle", np.cos(angle), np.sin(angle), W1_SIZE)


def _four_lines(root: Path, download: bool) -> Dataset:
    random = np.random.default_rng(0)
    along = random.uniform(-1, 1, 25_000)
    return _points("four-lines", along, random.choice((-0.75, -0.25, 0.25, 0.75), 25_000), W1_SIZE)


def _idx(kind: str, md5: tuple[str, str, str, str]) -> Originals:
    """Originals in the format of MNIST, each with an archive beside it.

    ``md5`` holds the checksums of training images and labels, then of the held-out ones.
    """
    parts = [
        (split, what) for split in ("train", "t10k") for what in ("images-idx3", "labels-idx1")
    ]
    names = [f"{split}-{what}-ubyte" for split, what in parts]
    folder = f"{kind}/raw"
    archives = {f"{folder}/{name}.gz": (name,) for name in names}
    return Originals(kind, folder, dict(zip(names, md5, strict=True)), archives)


MNIST_FILES = _idx(
    "MNIST",
    (
        "6bbc9ace898e44ae57da46a324031adb",
        "a25bea736e30d166cdddb491f175f624",
        "2646ac647ad5339dbf082846283269ea",
        "27ae3e4e09519cfbb04c329615203637",
    ),
)
FASHION_FILES = _idx(
    "FashionMNIST",
    (
        "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "9018921c3c673c538a1fc5bad174d6f9",
        "8181f5470baa50b63fa0f6fddb340f0a",
        "15d484375f8d13e6eb1aabb0c3f46965",
    ),
)
"""The checksums are those that several users publish for the archives of torchvision's MD5."""

CIFAR10_MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
CIFAR10_FILES = Originals(
    "CIFAR10",
    "cifar-10-batches-py",
    CIFAR10_MD5,
    {"cifar-10-python.tar.gz": CIFAR10_MD5.keys()},
)


def _grey(name: str, originals: Originals) -> Load:
    """The loader of grey images in the format of MNIST: 28×28 bytes each after a header."""

    def load(root: Path, download: bool) -> Dataset:
        contents = originals.read(root, download, cache_root() / STAMPS)
        tensors = []
        for split in ("train", "t10k"):
            images = np.frombuffer(contents[f"{split}-images-idx3-ubyte"], np.uint8, offset=16)
            labels = np.frombuffer(contents[f"{split}-labels-idx1-ubyte"], np.uint8, offset=8)
            tensors.append(torch.tensor(images).reshape(-1, 1, 28, 28).float() / 255)
            tensors.append(torch.tensor(labels).long())
        train, train_labels, held_out, held_out_labels = tensors
        return Dataset(name, train, held_out, "unit", train_labels, held_out_labels)

    return load


class _Batch(pickle.Unpickler):
    """Reads a batch of CIFAR-10, which is a pickle; makes arrays and nothing else that acts."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        """What an array is made of. Raises UnpicklingError for anything else."""
        if f"{module_name}.{global_name}" in (
            "numpy.core.multiarray._reconstruct",
            "numpy.ndarray",
            "numpy.dtype",
        ):
            return super().find_class(module_name, global_name)
        raise pickle.UnpicklingError(f"{module_name}.{global_name} in a batch of CIFAR-10")


def _cifar10(root: Path, download: bool) -> Dataset:
    contents = CIFAR10_FILES.read(root, download, cache_root() / STAMPS)
    batches = {n: _Batch(io.BytesIO(c), encoding="latin1").load() for n, c in contents.items()}

    def split(names: Sequence[str]) -> tuple[Tensor, Tensor]:
        images = np.concatenate([batches[name]["data"] for name in names])
        images = torch.from_numpy(images).reshape(-1, 3, 32, 32).float() / 255
        labels = [label for name in names for label in batches[name]["labels"]]
        return 2 * images - 1, torch.tensor(labels)

    *training, held_out = CIFAR10_MD5
    (train, train_labels), (held, held_labels) = split(training), split([held_out])
    return Dataset("cifar10", train, held, "symmetric", train_labels, held_labels)


STACKS = (20_000, 10_000)
"""Numbers of training and held-out triples: about twenty and ten of every mode."""


def _stacked(name: str, base: str) -> Load:
    """The loader of stacks: three images of ``base`` as channels, drawn with replacement.

    Images with the labels a, b and c make a stack with the label 100a + 10b + c.
    """

    def load(root: Path, download: bool) -> Dataset:
        channel = DATASETS[base].load(root, download)
        random = np.random.default_rng(0)
        stacks = []
        for images, labels, count in (
            (channel.train, channel.train_labels, STACKS[0]),
            (channel.held_out, channel.held_out_labels, STACKS[1]),
        ):
            assert labels is not None, f"{base} has no labels"
            chosen = torch.from_numpy(random.integers(len(images), size=(count, 3)))
            stacks += [images[chosen, 0], labels[chosen] @ torch.tensor([100, 10, 1])]
        train, train_labels, held_out, held_out_labels = stacks
        return Dataset(
            name,
            train,
            held_out,
            channel.output,
            train_labels,
            held_out_labels,
            channel=channel,
            probe_size=10_000,
        )

    return load


POINTS = {"network": "mlp", "latent": 16, "rounds": 1000, "lr": 1e-3, "width": 128}
DIGITS = {"network": "mlp", "latent": 16, "rounds": 1000, "lr": 1e-3, "width": 64}
MNIST = {"network": "mlp", "latent": 100, "rounds": 1000, "lr": 1e-3, "width": 256}

MODES = {"ring": 8, "grid": 25, "stacked-digits": 1000, "stacked-mnist": 1000}
"""Data sets that have modes by construction, to the number of modes. The order is that of the
claims on them."""

DATASETS: dict[str, DatasetRow] = {
    "digits": DatasetRow(
        "scikit-learn's 8×8 digits, bundled: 1437 to train, 360 held out",
        _digits,
        1437,
        (1, 8, 8),
        "unit",
        DIGITS,
    ),
    "stacked-digits": DatasetRow(
        "3 digits as channels, 1000 modes: 20,000 triples to train, 10,000 held out",
        _stacked("stacked-digits", "digits"),
        STACKS[0],
        (3, 8, 8),
        "unit",
        DIGITS,
    ),
    "ring": DatasetRow(
        "8 Gaussians (sd 0.05) on the unit circle", _ring, 20_000, (2,), "real", POINTS
    ),
    "grid": DatasetRow(
        "25 Gaussians (sd 0.05) on a 5×5 grid of side 4", _grid, 20_000, (2,), "real", POINTS
    ),
    "segments": DatasetRow(
        "a vertical segment at +1; G starts as its twin at -1, so a perfect classifier exists",
        _segments,
        20_000,
        (2,),
        "real",
        {**POINTS, "network": "segment", "latent": 1},
    ),
    **{
        name: DatasetRow(description, load, 20_000, (2,), "real", POINTS)
        for name, description, load in (
            ("gaussian", "a Gaussian in the plane, N(0, I)", _gaussian),
            ("line", "a segment of length 2 in the plane", _line),
            ("circle", "the unit circle", _circle),
            ("four-lines", "four horizontal segments of length 2, ½ apart", _four_lines),
        )
    },
    "mnist": DatasetRow(
        "MNIST, 28×28: 60,000 to train, 10,000 held out (torchvision)",
        _grey("mnist", MNIST_FILES),
        60_000,
        (1, 28, 28),
        "unit",
        MNIST,
    ),
    "stacked-mnist": DatasetRow(
        "3 MNIST images as channels, 1000 modes: 20,000 triples to train, 10,000 held out",
        _stacked("stacked-mnist", "mnist"),
        STACKS[0],
        (3, 28, 28),
        "unit",
        MNIST,
    ),
    "fashion-mnist": DatasetRow(
        "Fashion-MNIST, 28×28: 60,000 to train, 10,000 held out (torchvision)",
        _grey("fashion-mnist", FASHION_FILES),
        60_000,
        (1, 28, 28),
        "unit",
        MNIST,
    ),
    "cifar10": DatasetRow(
        "CIFAR-10, 32×32 colour: 50,000 to train, 10,000 held out (torchvision)",
        _cifar10,
        50_000,
        (3, 32, 32),
        "symmetric",
        {"network": "dcgan", "latent": 128, "rounds": 1000, "lr": 1e-4, "width": 128},
    ),
}


def load_dataset(name: str, root: Path, download: bool = False) -> Dataset:
    """The data set ``name``, a row of DATASETS, on the CPU.

    Args:
        name: a row of DATASETS.
        root: folder of torchvision's data; bundled and synthetic data sets do not need it.
        download: whether missing files are downloaded to ``root``.

    Raises:
        DataError: files are missing and ``download`` is off, or a file is corrupt.
    """
    try:
        return DATASETS[name].load(root, download)
    except DataError as error:
        raise DataError(f"--dataset {name}: {error}") from error
