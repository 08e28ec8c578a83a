import functools
import gzip
import hashlib
import io
import os
import pickle
import struct
import tarfile
import threading
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import sklearn.datasets
import torch
import torchvision
from cases import FOLDERS, prepared_root

from vral.data import datasets, originals
from vral.data.datasets import (
    DATASETS,
    FASHION_FILES,
    MNIST_FILES,
    cache_root,
    data_root,
    load_dataset,
)
from vral.errors import DataError, FolderError
from vral.nets import NETWORKS

NOWHERE = Path("/nonexistent/vral")
FETCHED = ("mnist", "stacked-mnist", "fashion-mnist", "cifar10")
BUNDLED = [name for name in DATASETS if name not in FETCHED]


def rows(tensor):
    return {row.numpy().tobytes() for row in tensor}


def write_idx(path, array):
    """LeCun's format: two zero bytes, type 8 (unsigned byte), dimensions, big-endian sizes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


def write_small_mnist(folder, count=3):
    """``count`` images in each split: pixel (i, j) of image k of the training split is k+2i+j."""
    pixels = np.add.outer(np.add.outer(np.arange(count), 2 * np.arange(28)), np.arange(28))
    for split, offset in (("train", 0), ("t10k", 200)):
        write_idx(folder / "raw" / f"{split}-images-idx3-ubyte", pixels + offset)
        write_idx(folder / "raw" / f"{split}-labels-idx1-ubyte", np.arange(count) % 10)
    return pixels


# ---- every bundled data set -----------------------------------------------------------------


@pytest.mark.parametrize("name", BUNDLED)
def test_the_row_tells_the_truth_about_its_data(name):
    row, data = DATASETS[name], load_dataset(name, NOWHERE)
    assert data.name == name
    assert data.train.dtype == data.held_out.dtype == torch.float32
    assert tuple(data.train.shape) == (row.size, *row.shape)
    assert data.shape == tuple(data.held_out.shape[1:]) == row.shape
    assert data.output == row.output
    for samples, labels in (
        (data.train, data.train_labels),
        (data.held_out, data.held_out_labels),
    ):
        assert labels is None or labels.shape == (len(samples),)


@pytest.mark.parametrize("name", DATASETS)
def test_the_default_network_fits_the_data(name):
    row = DATASETS[name]
    assert NETWORKS[row.defaults["network"]].fits(row.shape)


@pytest.mark.parametrize("name", BUNDLED)
def test_loading_twice_gives_the_same_bits_whatever_the_global_seeds(name):
    first = load_dataset(name, NOWHERE)
    torch.rand(1)
    np.random.seed(1)  # noqa: NPY002 - the global generator is the point
    again = load_dataset(name, NOWHERE)
    assert torch.equal(first.train, again.train)
    assert torch.equal(first.held_out, again.held_out)


@pytest.mark.parametrize("name", BUNDLED)
def test_held_out_samples_are_not_in_the_training_split(name):
    data = load_dataset(name, NOWHERE)
    assert len(data.held_out) > 0
    if name == "digits":
        from sklearn.datasets import load_digits

        every = [x.tobytes() for x in load_digits().data.astype(np.float32) / 16]
        split = [x.numpy().tobytes() for x in torch.cat([data.train, data.held_out])]
        assert sorted(split) == sorted(every)
    # heights on a segment are one float32 each, of which there are 2²⁴: some birthdays are shared
    on_lines = name in ("segments", "line", "circle", "four-lines")
    birthdays = len(data.train) * len(data.held_out) / 2**24 if on_lines else 0
    shared = len(rows(data.train) & rows(data.held_out))
    assert shared <= birthdays + 5 * birthdays**0.5


def test_digits_are_images_in_the_unit_range_stratified_by_class():
    data = load_dataset("digits", NOWHERE)
    assert len(data.held_out) == 360
    assert data.train.min() == 0
    assert data.train.max() == 1
    assert torch.equal(16 * data.train, (16 * data.train).round())  # sixteen grey levels
    share = torch.bincount(data.train_labels).double() / len(data.train)
    held_out = torch.bincount(data.held_out_labels).double() / len(data.held_out)
    torch.testing.assert_close(share, held_out, rtol=0, atol=0.003)


def test_digits_keep_image_and_label_together():
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    known = {image.astype(np.float32).tobytes(): label for image, label in zip(images, labels)}  # noqa: B905
    data = load_dataset("digits", NOWHERE)
    for samples, own in ((data.train, data.train_labels), (data.held_out, data.held_out_labels)):
        assert [known[(16 * x).numpy().tobytes()] for x in samples] == own.tolist()


def test_stacked_digits_are_three_known_images_of_their_split():
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    data = load_dataset("stacked-digits", NOWHERE)
    train, held_out = rows(data.channel.train), rows(data.channel.held_out)
    known = {image.astype(np.float32).tobytes(): label for image, label in zip(images, labels)}  # noqa: B905
    for samples, own, split in (
        (data.train, data.train_labels, train),
        (data.held_out, data.held_out_labels, held_out),
    ):
        assert rows(samples.flatten(0, 1)) == split
        digits = [[known[(16 * x).numpy().tobytes()] for x in stack] for stack in samples]
        assert [int("".join(map(str, triple))) for triple in digits] == own.tolist()
    for stack, label, indices in (  # in scikit-learn's order
        (data.train[0], 712, (112, 1256, 600)),
        (data.train[-1], 777, (1314, 1711, 963)),
        (data.held_out[0], 811, (170, 312, 667)),
    ):
        expected = images[list(indices)].reshape(3, 8, 8) / 16
        assert np.array_equal(stack, expected)
        assert int("".join(str(labels[i]) for i in indices)) == label


@pytest.mark.parametrize("name", ["stacked-digits", "stacked-mnist"])
def test_triples_are_independent_draws_that_show_every_mode(name):
    from scipy.stats import chisquare

    data = load_dataset(name, prepared_root(name) if name in FETCHED else NOWHERE)
    assert data.probe_size == len(data.held_out) == 10_000
    counts = torch.bincount(data.train_labels, minlength=1000).numpy()
    assert counts.min() > 0
    one = (torch.bincount(data.channel.train_labels) / len(data.channel.train)).double()
    shares = torch.einsum("a,b,c->abc", one, one, one).flatten().numpy()
    assert chisquare(counts, 20_000 * shares / shares.sum()).pvalue > 1e-3


def test_ring_centres_are_the_eighth_roots_of_unity():
    modes = load_dataset("ring", NOWHERE).modes.double()
    turns = (torch.view_as_complex(modes) ** 8).real
    torch.testing.assert_close(turns, torch.ones(8).double(), rtol=0, atol=1e-6)
    gaps = torch.cdist(modes, modes) + 9 * torch.eye(8)
    torch.testing.assert_close(gaps.min(1)[0], torch.full((8,), 0.76536686).double())  # 2 sin π/8


def test_grid_centres_are_the_integer_points_of_a_square_of_side_four():
    modes = load_dataset("grid", NOWHERE).modes
    expected = {(float(x), float(y)) for x in range(-2, 3) for y in range(-2, 3)}
    assert {tuple(mode.tolist()) for mode in modes} == expected
    assert len(modes) == 25


@pytest.mark.parametrize("name", ["ring", "grid"])
def test_a_mixture_is_equal_gaussians_about_its_centres(name):
    data = load_dataset(name, NOWHERE)
    assert data.mode_sd == 0.05
    points, labels = data.train.double(), data.train_labels
    assert len(data.held_out) == 5000
    distance = torch.cdist(points, data.modes.double())
    assert torch.equal(distance.argmin(1), labels)
    noise = (points - data.modes.double()[labels]) / 0.05
    n = noise.numel() / 2
    assert noise.mean(0).abs().max() < 4 / n**0.5
    torch.testing.assert_close(
        noise.T.cov(), torch.eye(2).double(), rtol=0, atol=4 * (2 / n) ** 0.5
    )
    share = torch.bincount(labels) / n
    fair = 1 / len(data.modes)
    assert (share - fair).abs().max() < 4 * (fair / n) ** 0.5


def test_segments_are_uniform_in_height_at_plus_one():
    from scipy.stats import kstest, uniform

    data = load_dataset("segments", NOWHERE)
    for points in (data.train, data.held_out):
        assert torch.equal(points[:, 0], torch.ones(len(points)))
        assert kstest(points[:, 1], uniform(-1, 2).cdf).pvalue > 1e-3
    assert data.train_labels is None


def test_moving_a_data_set_moves_its_tensors_and_nothing_else():
    data = load_dataset("grid", NOWHERE)
    moved = data.to(torch.device("meta"))
    tensors = {name for name, value in vars(data).items() if isinstance(value, torch.Tensor)}
    assert tensors >= {"train", "held_out", "train_labels", "held_out_labels", "modes"}
    assert all(getattr(moved, name).is_meta for name in tensors)
    assert (moved.name, moved.output, moved.mode_sd) == (data.name, data.output, data.mode_sd)
    assert not data.train.is_meta


# ---- where data lies ------------------------------------------------------------------------


def test_the_option_wins_over_the_variable_over_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("VRAL_DATA", "/from/variable")
    assert data_root("/from/option") == Path("/from/option")
    assert data_root() == Path("/from/variable")
    monkeypatch.delenv("VRAL_DATA")
    monkeypatch.setenv("VRAL_CACHE", str(tmp_path))
    assert cache_root() == tmp_path
    assert data_root() == tmp_path / "data"
    monkeypatch.delenv("VRAL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_root() == Path("/xdg/vral")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_root() == Path.home() / ".cache" / "vral"


def test_a_user_without_a_home_has_no_cache_and_no_error(monkeypatch):
    def no_home(path):
        raise RuntimeError("Could not determine home directory.")

    for variable in ("VRAL_CACHE", "VRAL_DATA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(Path, "expanduser", no_home)
    for folder in (cache_root(), data_root()):
        with pytest.raises(OSError, match="Not a directory"):
            folder.mkdir(parents=True)
        assert not (folder / "anything").exists()
    with pytest.raises(DataError, match="--data-root: ~/data given"):
        data_root("~/data")
    with pytest.raises(DataError, match="--dataset mnist: not found"):
        load_dataset("mnist", data_root())


# ---- missing and corrupt files --------------------------------------------------------------


@pytest.mark.parametrize("name", FETCHED)
def test_missing_data_is_an_error_that_names_the_cure(name, tmp_path):
    with pytest.raises(DataError, match=f"--dataset {name}.*not found.*--download") as caught:
        load_dataset(name, tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["mnist", "stacked-mnist", "fashion-mnist"])
@pytest.mark.parametrize("file", MNIST_FILES.md5)
def test_a_truncated_file_is_an_error_that_names_the_cure(name, file, tmp_path):
    folder = tmp_path / FOLDERS[name]
    write_small_mnist(folder)
    path = folder / "raw" / file
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=f"--dataset {name}.*--download") as caught:
        load_dataset(name, tmp_path)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
@pytest.mark.parametrize("content", [b"", b"\0", b"not an idx file at all"])
def test_a_file_of_another_format_is_an_error_that_names_the_cure(name, content, tmp_path):
    write_small_mnist(tmp_path / FOLDERS[name])
    (tmp_path / FOLDERS[name] / "raw" / "t10k-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(DataError, match=f"--dataset {name}.*--download"):
        load_dataset(name, tmp_path)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_well_formed_files_that_are_not_the_published_ones_are_an_error(name, tmp_path):
    write_small_mnist(tmp_path / FOLDERS[name])
    with pytest.raises(DataError, match=f"--dataset {name}.*--download"):
        load_dataset(name, tmp_path)


def test_a_truncated_cifar_batch_is_an_error_that_names_the_cure(tmp_path):
    folder = tmp_path / FOLDERS["cifar10"]
    folder.mkdir()
    for name in datasets.CIFAR10_MD5:
        (folder / name).write_bytes(b"\x80\x02}q\x01(")
    with pytest.raises(DataError, match=r"--dataset cifar10.*data_batch_1 is corrupt.*--download"):
        load_dataset("cifar10", tmp_path)


def test_a_batch_of_cifar_makes_arrays_and_runs_no_code(tmp_path, monkeypatch):
    """A file may be stamped as verified and still be somebody else's."""
    folder = tmp_path / FOLDERS["cifar10"]
    folder.mkdir()
    hostile = pickle.dumps({"data": Path(tmp_path, "made"), "labels": []}, 2)
    sums = dict.fromkeys(datasets.CIFAR10_MD5, hashlib.md5(hostile).hexdigest())
    for name in sums:
        (folder / name).write_bytes(hostile)
    monkeypatch.setattr(datasets, "CIFAR10_FILES", replace(datasets.CIFAR10_FILES, md5=sums))
    with pytest.raises(pickle.UnpicklingError, match="pathlib"):
        load_dataset("cifar10", tmp_path)


def test_a_damaged_file_of_scikit_learn_is_an_error(monkeypatch):
    whole = sklearn.datasets.load_digits(return_X_y=True)
    spoilt = whole[0].copy()
    spoilt[100, 20] += 1
    for answer in ((spoilt, whole[1]), (whole[0][:-1], whole[1][:-1])):
        monkeypatch.setattr(sklearn.datasets, "load_digits", lambda return_X_y, a=answer: a)  # noqa: N803
        for name in ("digits", "stacked-digits"):
            with pytest.raises(DataError, match=f"--dataset {name}: .*corrupt; install"):
                load_dataset(name, NOWHERE)


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Fashion-MNIST with three images a split, and a cache of its own; files are old at once."""
    monkeypatch.setenv("VRAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(originals, "SETTLED", 0)
    folder = tmp_path / "data" / "FashionMNIST"
    pixels = write_small_mnist(folder)
    sums = {
        n: hashlib.md5((folder / "raw" / n).read_bytes()).hexdigest() for n in FASHION_FILES.md5
    }
    monkeypatch.setitem(FASHION_FILES.__dict__, "md5", sums)
    return SmallData(tmp_path / "data", folder / "raw", tmp_path / "cache", pixels)


class SmallData(NamedTuple):
    root: Path
    raw: Path
    cache: Path
    pixels: np.ndarray

    def load(self):
        return load_dataset("fashion-mnist", self.root)

    def pack(self):
        """Leave the archives alone."""
        for path in list(self.raw.iterdir()):
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()


def flip(path, keep_times=False):
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    if keep_times:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_idx_images_become_one_channel_in_the_unit_range(small):
    pixels, data = torch.from_numpy(small.pixels).float(), small.load()
    torch.testing.assert_close(data.train, pixels[:, None] / 255, rtol=1e-6, atol=0)
    wrapped = (pixels[:, None] + 200) % 256  # as bytes
    torch.testing.assert_close(data.held_out, wrapped / 255, rtol=1e-6, atol=0)
    assert data.train_labels.tolist() == data.held_out_labels.tolist() == [0, 1, 2]
    assert data.output == "unit"


def test_a_missing_part_is_named(small):
    (small.raw / "t10k-labels-idx1-ubyte").unlink()
    said = r"--dataset fashion-mnist.*is incomplete, without t10k-labels-idx1-ubyte.*--download"
    with pytest.raises(DataError, match=said):
        small.load()


@pytest.mark.parametrize("file", FASHION_FILES.md5)
@pytest.mark.parametrize("keep_times", [False, True])
def test_one_flipped_bit_is_noticed_before_and_after_a_stamp(small, file, keep_times):
    flip(small.raw / file)
    with pytest.raises(DataError, match=f"{file} is corrupt.*move it aside"):
        small.load()
    flip(small.raw / file)
    small.load()
    assert (small.cache / "verified.json").exists()
    flip(small.raw / file, keep_times)
    with pytest.raises(DataError, match=f"{file} is corrupt.*move it aside"):
        small.load()


def test_a_stamped_file_needs_no_checksum_and_a_new_one_does(small, monkeypatch):
    sums = []
    checksum = originals.md5_of
    monkeypatch.setattr(originals, "md5_of", lambda content: sums.append(1) or checksum(content))
    for expected in (4, 0):
        sums.clear()
        small.load()
        assert len(sums) == expected
    path = small.raw / "train-images-idx3-ubyte"
    os.utime(path)
    for expected in (1, 0):
        sums.clear()
        small.load()
        assert len(sums) == expected
    monkeypatch.setattr(originals, "SETTLED", 10**15)  # touched within the last days: no stamp
    os.utime(path)
    for _ in range(2):
        sums.clear()
        small.load()
        assert len(sums) == 1


@pytest.mark.parametrize("stamps", ["{", "[]", '{"x": 3}', b"\xff", None])
def test_stamps_that_cannot_be_read_or_kept_are_no_error(small, monkeypatch, stamps):
    path = small.cache / "verified.json"
    small.cache.mkdir()
    if stamps is None:
        path.mkdir()
    else:
        path.write_bytes(stamps if isinstance(stamps, bytes) else stamps.encode())
    for _ in range(2):
        small.load()
    small.cache.rename(small.cache.with_name("moved"))
    small.cache.write_text("a file where the cache should be")
    small.load()
    flip(small.raw / "t10k-labels-idx1-ubyte")
    with pytest.raises(DataError, match="corrupt"):
        small.load()


# ---- archives fetched by hand ---------------------------------------------------------------


def test_archives_alone_are_unpacked_and_kept(small):
    expected = small.load()
    small.pack()
    for _ in range(2):
        found = small.load()
        assert torch.equal(found.train, expected.train)
        assert torch.equal(found.held_out_labels, expected.held_out_labels)
    assert {path.name for path in small.raw.iterdir()} == {
        name + end for name in FASHION_FILES.md5 for end in ("", ".gz")
    }
    (small.raw / "train-labels-idx1-ubyte").unlink()  # one is enough to be missing
    assert torch.equal(small.load().train_labels, expected.train_labels)


def test_archives_are_read_where_nothing_can_be_written(small, monkeypatch):
    expected = small.load().train
    small.pack()

    def refuse(path, content):
        raise FolderError(f"cannot write {path}: Read-only file system")

    monkeypatch.setattr(originals, "write_bytes", refuse)
    assert torch.equal(small.load().train, expected)
    assert all(path.suffix == ".gz" for path in small.raw.iterdir())


@pytest.mark.parametrize("damage", ["cut", "flip", "other"])
def test_a_damaged_archive_is_named_and_left_alone(small, damage):
    small.pack()
    archive = small.raw / "t10k-images-idx3-ubyte.gz"
    content = archive.read_bytes()
    spoilt = {
        "cut": content[:-20],
        "flip": content[:40] + bytes([content[40] ^ 1]) + content[41:],
        "other": gzip.compress(b"another file"),
    }
    archive.write_bytes(spoilt[damage])
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte.gz is corrupt.*move it aside"):
        small.load()
    assert archive.read_bytes() == spoilt[damage]


def test_the_archive_of_cifar_is_unpacked(tmp_path, monkeypatch):
    files = datasets.CIFAR10_FILES
    batch = {"data": np.arange(3072, dtype=np.uint8)[None], "labels": [7]}
    content = pickle.dumps(batch, 3).replace(b"numpy._core", b"numpy.core")  # as it was in 2009
    sums = dict.fromkeys(files.md5, hashlib.md5(content).hexdigest())
    monkeypatch.setattr(datasets, "CIFAR10_FILES", replace(files, md5=sums))
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as archive:
        for name in sums:
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    for _ in range(2):
        data = load_dataset("cifar10", tmp_path)
        assert data.train_labels.tolist() == [7] * 5
        pixels = (2 * torch.from_numpy(batch["data"]).float() / 255 - 1).reshape(3, 32, 32)
        assert torch.equal(data.held_out[0], pixels)
    assert sorted(path.name for path in (tmp_path / files.folder).iterdir()) == sorted(sums)


@pytest.mark.parametrize("what", ["pipe", "folder"])
def test_what_is_no_file_is_an_error_and_is_not_waited_for(small, what):
    path = small.raw / "train-labels-idx1-ubyte"
    path.unlink()
    path.mkdir() if what == "folder" else os.mkfifo(path)
    with pytest.raises(DataError, match="train-labels-idx1-ubyte is no file"):
        small.load()


@pytest.fixture
def served():
    """A folder to the address of a server on this machine that hands out its files."""
    servers = []

    def serve(folder):
        handler = functools.partial(QuietHandler, directory=folder)
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def test_a_download_adds_what_is_missing_and_touches_nothing_else(small, monkeypatch, served):
    expected = small.load()
    published = small.root / "published"
    small.pack()
    small.raw.rename(published)
    small.raw.mkdir()
    kind = torchvision.datasets.FashionMNIST
    archives = {
        path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in published.iterdir()
    }
    monkeypatch.setattr(kind, "mirrors", [served(published)])
    monkeypatch.setattr(kind, "resources", list(archives.items()))
    (small.raw / "train-images-idx3-ubyte").write_bytes(b"mine")
    with pytest.raises(DataError, match="train-images-idx3-ubyte is corrupt"):
        load_dataset("fashion-mnist", small.root, download=True)
    assert (small.raw / "train-images-idx3-ubyte").read_bytes() == b"mine"
    (small.raw / "train-images-idx3-ubyte").unlink()
    fetched = load_dataset("fashion-mnist", small.root, download=True)
    assert torch.equal(fetched.train, expected.train)
    assert {path.name for path in small.raw.iterdir()} == set(FASHION_FILES.md5)
    assert {path.name for path in small.root.iterdir()} == {"published", "FashionMNIST"}


def test_a_download_that_fails_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [f"{tmp_path.as_uri()}/nowhere/"])
    with pytest.raises(DataError, match=r"--dataset mnist: the download to .* failed") as caught:
        load_dataset("mnist", tmp_path / "data", download=True)
    assert "\n" not in str(caught.value)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"--dataset mnist: the download to .* failed"):
        load_dataset("mnist", tmp_path / "file", download=True)


# ---- the real files, where they are at hand -------------------------------------------------


def test_mnist_is_mnist():
    data = load_dataset("mnist", prepared_root("mnist"))
    assert tuple(data.train.shape) == (60_000, 1, 28, 28)
    assert tuple(data.held_out.shape) == (10_000, 1, 28, 28)
    assert (data.train.min(), data.train.max()) == (0, 1)
    assert abs(data.train.double().mean().item() - 0.1306604762738429) < 1e-7  # as published
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert torch.bincount(data.train_labels).tolist() == counts
    assert data.held_out_labels[:5].tolist() == [7, 2, 1, 0, 4]


def test_stacked_mnist_is_three_known_images_of_their_split():
    root = prepared_root("mnist")
    data = load_dataset("stacked-mnist", root)
    assert tuple(data.train.shape) == (20_000, 3, 28, 28)
    assert data.shape == DATASETS["stacked-mnist"].shape
    assert len(data.train) == DATASETS["stacked-mnist"].size
    assert data.output == "unit"
    train, held_out = (torchvision.datasets.MNIST(root, train) for train in (True, False))
    for stack, label, mnist, indices in (
        (data.train[0], data.train_labels[0], train, (51037, 38217, 30668)),
        (data.train[-1], data.train_labels[-1], train, (47484, 37140, 13215)),
        (data.held_out[0], data.held_out_labels[0], held_out, (9323, 5404, 7051)),
        (data.held_out[-1], data.held_out_labels[-1], held_out, (6021, 1066, 638)),
    ):
        assert torch.equal(stack, mnist.data[list(indices)] / 255)
        assert label == int("".join(str(mnist.targets[i].item()) for i in indices))


def test_one_flipped_bit_of_mnist_is_noticed(tmp_path):
    source = prepared_root("mnist") / "MNIST" / "raw"
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file in MNIST_FILES.md5:
        (raw / file).symlink_to(source / file)
    victim = raw / "t10k-images-idx3-ubyte"
    content = bytearray(victim.read_bytes())
    content[5_000_000] ^= 1
    victim.unlink()
    victim.write_bytes(content)
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte is corrupt.*--download"):
        load_dataset("mnist", tmp_path)


def test_cifar10_is_channels_first_in_the_symmetric_range():
    data = load_dataset("cifar10", prepared_root("cifar10"))
    assert tuple(data.train.shape) == (50_000, 3, 32, 32)
    assert tuple(data.held_out.shape) == (10_000, 3, 32, 32)
    assert (data.train.min(), data.train.max()) == (-1, 1)
    means = torch.stack([data.train[:, c].double().mean() for c in range(3)])
    published = torch.tensor([0.49139968, 0.48215841, 0.44653091]).double()  # red, green, blue
    torch.testing.assert_close((means + 1) / 2, published, rtol=0, atol=1e-6)
    assert torch.bincount(data.train_labels).tolist() == [5000] * 10
    assert data.held_out_labels[:5].tolist() == [3, 8, 8, 0, 6]
    frog = ((data.train[0] + 1) * 127.5).round()
    assert frog[:, 0, :3].T.tolist() == [[59, 62, 63], [43, 46, 45], [50, 48, 43]]  # its first row
    assert frog[:, 1, 0].tolist() == [16, 20, 20]


PLANE = ("gaussian", "line", "circle", "four-lines")


def test_the_targets_in_the_plane_lie_where_they_should():
    points = {name: load_dataset(name, NOWHERE).train.double() for name in PLANE}
    gaussian = points["gaussian"]
    torch.testing.assert_close(gaussian.T.cov(), torch.eye(2).double(), rtol=0, atol=0.03)
    assert torch.equal(points["line"][:, 1], torch.zeros(20_000).double())
    radius = torch.linalg.vector_norm(points["circle"], dim=1)
    torch.testing.assert_close(radius, torch.ones_like(radius), rtol=0, atol=1e-6)
    heights, counts = points["four-lines"][:, 1].unique(return_counts=True)
    assert heights.tolist() == [-0.75, -0.25, 0.25, 0.75]
    assert (counts - 5000).abs().max() < 5 * (20_000 * 3 / 16) ** 0.5
    for name in ("line", "four-lines"):
        along = points[name][:, 0]
        assert along.abs().max() <= 1
        assert abs(along.var() - 1 / 3) < 5 * (4 / 45 / 20_000) ** 0.5
