import errno
import importlib.util
import io
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from cases import prepared_root
from oracles import plug_in_kl_mean, plug_in_kl_sd
from scipy.linalg import sqrtm

from vral.data.datasets import load_dataset
from vral.diagnostics import quality
from vral.diagnostics.quality import (
    FEATURES,
    Classifier,
    cached_classifier,
    features,
    frechet_distance,
    quality_measure,
    read_labels,
    train_classifier,
)
from vral.study.frames import runs

NOWHERE = Path("/nonexistent/vral")
PUBLISHED = Path(__file__).parents[2] / "runs" / "published"


def standardised(count, dim, seed=0):
    """Points whose sample mean is 0 and unbiased sample covariance exactly the identity."""
    points = np.random.default_rng(seed).standard_normal((count, dim))
    points -= points.mean(0)
    return points @ np.linalg.inv(np.linalg.cholesky(np.cov(points.T))).T


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits", NOWHERE)


@pytest.fixture(scope="module")
def stacked():
    return load_dataset("stacked-digits", NOWHERE)


@pytest.fixture(scope="module")
def measure(stacked, cache_folder):
    return quality_measure(stacked, cache_folder)


@pytest.fixture
def short(monkeypatch):
    """A quick classifier, which is none of those that are shipped: their names hold UPDATES."""
    monkeypatch.setattr(quality, "UPDATES", 20)


# ---- Fréchet distance -----------------------------------------------------------------------


def test_frechet_distance_of_diagonal_gaussians_is_the_closed_form():
    first, second = np.array([1.0, 2.0, 0.5]), np.array([3.0, 0.1, 0.5])
    gap = np.array([0.0, -2.0, 1.0])
    a = standardised(40, 3) * first
    b = standardised(60, 3, 1) * second + gap
    expected = gap @ gap + ((first - second) ** 2).sum()
    np.testing.assert_allclose(frechet_distance(a, b), expected, rtol=1e-10)


@pytest.mark.parametrize("dim", [2, 8, 32])
def test_frechet_distance_is_scipys_matrix_square_root(dim):
    random = np.random.default_rng(dim)
    a = random.standard_normal((100, dim)) @ random.standard_normal((dim, dim))
    b = random.standard_normal((90, dim)) @ random.standard_normal((dim, dim)) + 1
    cov_a, cov_b = np.cov(a.T), np.cov(b.T)
    cross = np.trace(sqrtm(cov_a @ cov_b)).real
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b) - 2 * cross
    np.testing.assert_allclose(frechet_distance(a, b), expected, rtol=1e-8)
    np.testing.assert_allclose(frechet_distance(b, a), expected, rtol=1e-8)


def test_frechet_distance_to_itself_is_zero_and_a_shift_adds_its_square():
    points = standardised(50, 5) @ np.random.default_rng(1).standard_normal((5, 5))
    assert abs(frechet_distance(points, points)) < 1e-10
    np.testing.assert_allclose(frechet_distance(points, points + 2), 5 * 4, rtol=1e-10)


def test_frechet_distance_of_collapsed_samples_is_the_spread_that_is_missing():
    real = standardised(50, 4) * [1.0, 2.0, 3.0, 0.0]  # one feature is dead
    collapsed = np.tile([0.0, 0.0, 1.0, 0.0], (50, 1))
    np.testing.assert_allclose(frechet_distance(collapsed, real), 1 + 1 + 4 + 9, rtol=1e-10)


def test_frechet_distance_is_computed_in_float64():
    points = (standardised(5000, 3) + 1000).astype(np.float32)
    moved = points[::-1] + np.float32(0.37)
    assert frechet_distance(points, moved) == frechet_distance(
        np.float64(points), np.float64(moved)
    )


# ---- the classifier -------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32)])
def test_features_are_the_penultimate_activations(shape):
    network = Classifier(shape, 10).requires_grad_(False)
    images = torch.rand(7, *shape, generator=torch.Generator().manual_seed(0))
    found = features(network, images)
    assert found.shape == (7, FEATURES)
    assert found.min() >= 0
    torch.testing.assert_close(network.head(torch.from_numpy(found)), network(images))


def test_features_do_not_depend_on_how_images_are_grouped():
    network = Classifier((1, 8, 8), 10)
    images = torch.rand(1500, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    found = features(network, images)
    assert found.shape == (1500, FEATURES)
    np.testing.assert_allclose(found[990:1010], features(network, images[990:1010]), atol=1e-6)


@pytest.mark.usefixtures("short")
def test_training_is_a_function_of_the_data_alone(digits):
    first = train_classifier(digits)
    torch.rand(5)
    again = train_classifier(digits)
    assert np.array_equal(features(first, digits.held_out), features(again, digits.held_out))
    assert not any(p.requires_grad for p in first.parameters())


@pytest.mark.usefixtures("short")
def test_the_classifier_is_trained_once_and_read_back_with_equal_features(
    digits, tmp_path, monkeypatch
):
    cache = tmp_path / "new" / "folder"
    first = cached_classifier(digits, cache)
    files = list(cache.iterdir())
    assert len(files) == 1
    assert "digits" in files[0].name

    def never(data):
        raise AssertionError("trained again")

    monkeypatch.setattr(quality, "train_classifier", never)
    again = cached_classifier(digits, cache)
    assert np.array_equal(features(first, digits.held_out), features(again, digits.held_out))
    assert list(cache.iterdir()) == files


def changed(tensor):
    """The same with its last entry moved to another value that occurs."""
    other = tensor.clone()
    other.view(-1)[-1] = tensor.view(-1)[tensor.view(-1) != tensor.view(-1)[-1]][0]
    return other


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("what", ["train", "train_labels", "name"])
def test_a_classifier_belongs_to_the_content_that_it_was_trained_on(digits, tmp_path, what):
    """What decides the training decides the file; what does not, does not."""
    old = getattr(digits, what)
    other = replace(digits, **{what: "other" if what == "name" else changed(old)})
    for data in (digits, other, replace(digits, held_out=digits.held_out[:9], probe_size=3)):
        fresh = train_classifier(data)
        for _ in range(2):
            found = cached_classifier(data, tmp_path)
            assert all(map(torch.equal, found.parameters(), fresh.parameters()))
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("old", "new"), [("1e-3)", "2e-3)"), ("(128,)", "(64,)"), ("64, 3", "64, 5")]
)
def test_a_change_of_the_code_makes_a_new_file(digits, tmp_path, monkeypatch, old, new):
    source = Path(quality.__file__).read_text(encoding="utf-8")
    names = []
    for number, text in enumerate((source, source.replace(old, new, 1))):
        copy = tmp_path / f"quality_{number}.py"
        copy.write_text(text, encoding="utf-8")
        spec = importlib.util.spec_from_file_location(copy.stem, copy)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, copy.stem, module)  # where inspect looks for a class
        spec.loader.exec_module(module)
        names.append(module.classifier_file(digits))
    assert old in source
    assert names[0] == quality.classifier_file(digits) != names[1]


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("place", ["file", "file/deeper", "pipe", "link", "full"])
def test_a_classifier_that_cannot_be_kept_is_no_error(digits, tmp_path, monkeypatch, caplog, place):
    """Its bits are those of one that is kept; one line says what it costs."""
    (tmp_path / "file").write_text("a file")
    expected = train_classifier(digits)
    cache = tmp_path / place
    if place in ("pipe", "link", "full"):
        cache.mkdir()
    if place == "pipe":
        os.mkfifo(cache / quality.classifier_file(digits))
    if place == "link":
        (cache / quality.classifier_file(digits)).symlink_to(tmp_path / "file")
    if place == "full":
        monkeypatch.setattr(Path, "write_bytes", no_space)
    found = cached_classifier(digits, cache)
    assert all(map(torch.equal, found.parameters(), expected.parameters()))
    (line,) = caplog.messages
    assert "the classifier of digits cannot be kept" in line
    assert "\n" not in line
    assert (tmp_path / "file").read_text() == "a file"


def no_space(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.usefixtures("short")
def test_training_the_classifier_leaves_the_thread_count_alone(digits, tmp_path):
    torch.set_num_threads(2)
    try:
        cached_classifier(digits, tmp_path)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize("name", ["digits", "mnist"])
def test_the_classifiers_of_the_published_studies_are_shipped(name, tmp_path, monkeypatch):
    """They are of today's code and data, and are the measure of every published run."""
    data = load_dataset(name, prepared_root(name) if name == "mnist" else NOWHERE)
    monkeypatch.setattr(quality, "train_classifier", lambda _: pytest.fail("it trains"))
    _, known = quality_measure(data, tmp_path)
    assert not list(tmp_path.iterdir())
    published = [
        report["quality"]["frechet_floor"]
        for root in PUBLISHED.glob(f"*-{name}")
        for _, report in runs(root)
        if "frechet_floor" in report["quality"]
    ]
    assert len(published) > 10
    np.testing.assert_allclose(published, known["frechet_floor"], rtol=1e-5)


# ---- the measure of each kind of data -------------------------------------------------------


def test_the_digits_classifier_knows_its_digits(digits, cache_folder):
    judge, known = quality_measure(digits, cache_folder)
    floors = {f"{name}_floor" for name in ("frechet", "coverage", "variance_share")}
    assert known.keys() == {*floors, "classifier_accuracy"}
    assert known["classifier_accuracy"] > 0.95
    assert known["coverage_floor"] > 0.9
    itself = judge(digits.held_out)
    assert abs(itself["frechet"]) < 1e-4
    assert itself["coverage"] == itself["variance_share"] == 1
    random = torch.Generator().manual_seed(0)
    noise = judge(torch.rand(300, *digits.shape, generator=random))
    assert noise["frechet"] > 10 * known["frechet_floor"]
    assert noise["coverage"] < 0.2
    one_digit = judge(digits.train[digits.train_labels == 3])
    assert one_digit["frechet"] > 10 * known["frechet_floor"]
    assert one_digit["coverage"] < 0.3
    assert judge(digits.train[:2000]) == {
        "frechet": known["frechet_floor"],
        "coverage": known["coverage_floor"],
        "variance_share": known["variance_share_floor"],
    }


@pytest.mark.parametrize("name", ["ring", "grid"])
def test_mixtures_are_judged_by_their_modes(name, tmp_path):
    data = load_dataset(name, NOWHERE)
    judge, known = quality_measure(data, tmp_path)
    count = len(data.modes)
    assert judge(data.modes) == {
        "modes_covered": count,
        "high_quality": 1,
        "reverse_kl": pytest.approx(0, abs=1e-12),
    }
    assert judge(data.modes[:1].expand(100, 2)) == {
        "modes_covered": 1,
        "high_quality": 1,
        "reverse_kl": pytest.approx(np.log(count)),
    }
    floor = plug_in_kl_mean(np.full(count, 1 / count), 2000)
    assert abs(known.pop("reverse_kl_floor") - floor) < 4 * plug_in_kl_sd(count, 2000)
    assert known == {}
    assert not list(tmp_path.iterdir())


def test_segments_are_judged_by_their_coordinates(tmp_path):
    data = load_dataset("segments", NOWHERE)
    judge, known = quality_measure(data, tmp_path)
    twin = data.held_out * torch.tensor([-1.0, 1.0])
    found = judge(twin)
    np.testing.assert_allclose(found["frechet"], 4, rtol=1e-6)  # two apart, same spread
    assert found["coverage"] == 0
    assert judge(data.held_out)["coverage"] == 1
    assert known == {}


@pytest.mark.usefixtures("short")
def test_a_damaged_cache_is_trained_anew(digits, tmp_path):
    first = cached_classifier(digits, tmp_path)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    weight = first.head.weight.detach().numpy().tobytes()
    at = whole.index(weight) + 2  # one bit of one weight
    flipped = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    other = io.BytesIO()
    torch.save({"body.0.weight": 3}, other)
    for damage in (b"", b"not a checkpoint", whole[: len(whole) // 2], flipped, other.getvalue()):
        path.write_bytes(damage)
        again = cached_classifier(digits, tmp_path)
        assert all(map(torch.equal, first.parameters(), again.parameters()))
        assert path.stat().st_size == len(whole)


# ---- stacks, read channel by channel --------------------------------------------------------


@pytest.fixture(scope="module")
def product_shares(stacked):
    """Of a label abc: the product of the shares of a, b and c in the digits' training split."""
    one = np.bincount(stacked.channel.train_labels) / len(stacked.channel.train)
    return np.array([one[k // 100] * one[k // 10 % 10] * one[k % 10] for k in range(1000)])


def test_a_stack_is_read_by_the_classifier_of_one_channel(stacked, digits, cache_folder):
    network = cached_classifier(digits, cache_folder)
    alone = features(network, digits.held_out)
    chosen = np.array([[0, 1, 2], [30, 30, 4], [359, 7, 100]])
    stacks = digits.held_out[chosen, 0]
    side_by_side = features(network, stacks)
    assert side_by_side.shape == (3, 3 * FEATURES)
    np.testing.assert_allclose(side_by_side, alone[chosen].reshape(3, -1), rtol=1e-4, atol=1e-5)
    read = network(digits.held_out).argmax(1).numpy()
    assert read_labels(network, alone).tolist() == read.tolist()
    expected = [int("".join(map(str, read[triple]))) for triple in chosen]
    assert read_labels(network, side_by_side).tolist() == expected


@pytest.mark.usefixtures("measure")
def test_a_stack_has_no_classifier_of_its_own(cache_folder):
    assert not list(cache_folder.glob("*stacked*"))


def test_training_triples_show_every_mode_at_the_finite_sample_bias(
    stacked, measure, product_shares
):
    judge, known = measure
    count = stacked.probe_size
    found = judge(stacked.train[:count])
    expected, sd = plug_in_kl_mean(product_shares, count), plug_in_kl_sd(1000, count)
    assert found["modes_covered"] == 1000
    assert abs(found["reverse_kl"] - expected) < 4 * sd
    assert found["frechet"] == known["frechet_floor"]
    assert found["coverage"] == known["coverage_floor"]


def test_the_floor_of_reverse_kl_is_that_of_held_out_triples(
    stacked, measure, digits, cache_folder
):
    judge, known = measure
    found = judge(stacked.held_out)
    assert found["modes_covered"] == known["modes_covered_floor"]
    assert found["reverse_kl"] == known["reverse_kl_floor"]
    assert abs(found["frechet"]) < 1e-3
    assert found["coverage"] == 1
    # one digit in forty is misread, one triple in thirteen
    assert 0.88 < known["classifier_accuracy"] < 1
    # E KL(p̂ ‖ s) = E KL(p̂ ‖ q) + KL(q ‖ s), where q is what the classifier makes of held-out data
    network = cached_classifier(digits, cache_folder)
    q = np.bincount(network(digits.held_out).argmax(1)) / len(digits.held_out)
    s = np.bincount(digits.train_labels) / len(digits.train)
    misread = 3 * (q * np.log(q / s)).sum()
    read_shares = np.einsum("a,b,c->abc", q, q, q).ravel()
    expected = plug_in_kl_mean(read_shares, 10_000) + misread
    assert abs(known["reverse_kl_floor"] - expected) < 4 * plug_in_kl_sd(1000, 10_000)


def test_one_triple_over_and_over_is_one_mode(stacked, measure, product_shares):
    judge, _ = measure
    found = judge(stacked.train[:1].expand(500, -1, -1, -1))
    assert found["modes_covered"] == 1
    surprise = -np.log(product_shares[stacked.train_labels[0]])
    assert found["reverse_kl"] == pytest.approx(surprise)
    assert surprise == pytest.approx(np.log(1000), rel=0.01)


def test_equal_channels_are_ten_modes(stacked, measure, digits, cache_folder):
    judge, _ = measure
    found = judge(digits.train.expand(-1, 3, -1, -1))
    assert found["modes_covered"] == 10
    one = np.bincount(digits.train_labels) / len(digits.train)
    network = cached_classifier(digits, cache_folder)
    read = np.bincount(network(digits.train).argmax(1)) / len(digits.train)
    assert found["reverse_kl"] == pytest.approx((read * np.log(read / one**3)).sum())
    assert found["reverse_kl"] == pytest.approx(2 * np.log(10), rel=0.01)


def test_the_share_of_variance_of_images_is_that_of_their_pixels(digits, cache_folder):
    judge, _ = quality_measure(digits, cache_folder)
    assert judge(0.5 * digits.held_out)["variance_share"] == pytest.approx(0.25, rel=1e-5)


@pytest.mark.parametrize("name", ["circle", "line"])
def test_the_share_of_variance_of_points_is_that_of_their_coordinates(name, tmp_path):
    data = load_dataset(name, NOWHERE)
    judge, _ = quality_measure(data, tmp_path)
    assert judge(3 * data.held_out)["variance_share"] == pytest.approx(9, rel=1e-4)
