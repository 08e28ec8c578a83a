"""The table of experiments, and what their settings do to a run."""

from collections import Counter

import pytest
import torch
from cases import SMALL, fake_data, one_line_error, tiny

from vral.cli.experiments import _arms, _configs
from vral.data.datasets import DATASETS
from vral.figures.experiments import FIGURES
from vral.study import run
from vral.study.build import build
from vral.study.config import resolve
from vral.study.experiments import EXPERIMENTS
from vral.study.folders import folder_name
from vral.study.machine import Execution
from vral.study.methods import arm_order, label
from vral.train.records import read_parts


def configs(name):
    row = EXPERIMENTS[name]
    for dataset in row.datasets:
        for arm in row.arms:
            for ratio in [arm.ratio] if arm.ratio else row.ratios:
                yield row.config(arm, ratio, dataset)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_arm_is_a_run_with_a_folder_of_its_own(name):
    every = list(configs(name))
    assert len({folder_name(config) for config in every}) == len(every)
    assert len({config.model_copy(update={"variant": ""}) for config in every}) == len(every)
    assert all(label(config.arm).endswith(config.variant) for config in every)
    assert name in FIGURES


def test_the_deck_has_the_authors_batch_norm_and_matched_updates_of_d():
    runs = {(config.arm, config.ratio): config for config in configs("deck")}
    assert {config.norm_g for config in runs.values()} == {"batch"}
    assert {config.norm_d for config in runs.values()} == {"none"}
    for arm in ("standard", "lsgan", "vral-meta", "vral-meta-10", "vral-parzen"):
        short, ahead = runs[arm, "1"], runs[arm, "50"]
        matched = runs[f"{arm}+matched", "1"]
        assert (short.rounds, ahead.rounds) == (5000, 1000)
        assert matched.rounds == 50 * ahead.rounds
        same = {"rounds": 0, "ratio": "1", "variant": "", "record_every": 0, "probe_every": 0}
        assert short.model_copy(update=same) == matched.model_copy(update=same)
        assert short.model_copy(update=same) == ahead.model_copy(update=same)


@pytest.mark.parametrize("name", ["clipping", "artefacts"])
def test_clipping_everything_stands_beside_a_control_that_differs_in_it_alone(name):
    runs = {(c.arm, c.ratio): c for c in configs(name) if c.norm_d == "batch" and c.clip}
    names = {arm for arm, _ in runs}
    assert names == {"wgan+norm-d=batch", "wgan+norm-d=batch,clip-all"}
    for ratio in EXPERIMENTS[name].ratios:
        control, whole = (runs[arm, ratio] for arm in sorted(names))
        assert (control.lr, control.norm_g, control.clip_scope) == (1e-4, "batch", "weights")
        assert control.rule == "adam", "its ε is the authors' 3e-6"
        assert whole.clip_scope == "everything"
        same = {"clip_scope": "weights", "variant": control.variant}
        assert whole.model_copy(update=same) == control


REDONE = ("ratios", "interpolation", "parzen", "clipping", "lipschitz", "necessity", "artefacts")


@pytest.mark.parametrize("name", REDONE)
def test_what_is_redone_has_the_authors_batch_norm_and_is_long_enough(name):
    least = {"1": 5000, "5": 2000, "10": 1000, "50": 1000}
    for config in configs(name):
        assert config.norm_g == "batch"
        assert config.rounds >= least[config.ratio]
        theirs = "eps=3e-6" in config.variant or (config.clip and config.norm_d == "batch")
        assert config.rule == ("adam" if theirs else "adam:eps=1e-08")


def test_on_points_g_has_no_batch_norm_and_on_stacks_it_has():
    for config in configs("mode-collapse"):
        points = config.dataset in ("ring", "grid")
        assert config.norm_g == ("none" if points else "batch")
        assert config.rounds == (5000 if points else {"1": 5000, "50": 1000}[config.ratio])


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_fits_mnist_too(name):
    row = EXPERIMENTS[name]
    for arm in row.arms:
        row.config(arm, arm.ratio or row.ratios[0], "mnist")


def test_points_get_ten_seeds_and_images_five():
    row = EXPERIMENTS["mode-collapse"]
    seeds = {name: row.seeds_on(name) for name in DATASETS}
    points = {"ring", "grid", "segments", "gaussian", "line", "circle", "four-lines"}
    assert {name for name, count in seeds.items() if count == 10} == points
    assert set(seeds.values()) == {5, 10}


def test_what_is_tuned_is_tuned_on_other_seeds_than_judge():
    options = {"quick": False, "methods": None, "ratios": None, "dataset": None, "seed_count": None}
    tuned = list(_configs(EXPERIMENTS["tuning"], options))
    judged = list(_configs(EXPERIMENTS["necessity"], options))
    assert not {s for c in tuned for s in c.seeds} & {s for c in judged for s in c.seeds}
    assert len({len(config.seeds) for config in tuned}) == 1


def test_every_arm_is_tuned_over_as_many_settings_as_the_others_and_vral_over_more():
    """LSGAN 0/1 has no weight of its own, so it has more learning rates."""
    arms = [arm.settings for arm in EXPERIMENTS["tuning"].arms]
    own = {"rule_meta", "moment_penalty", "r1"}
    grids = {name: {(s["lr"], str(s[name])) for s in arms if name in s} for name in own}
    for grid in grids.values():
        weights = Counter(weight for _, weight in grid)
        assert sorted(weights.values()) == [3, 3, 5], "two more rates beside the best cell's"
    steps = [s for s in arms if "meta_steps" in s]
    assert len({s["lr"] for s in steps}) == 3
    assert len({s["lr"] for s in arms if s.keys() == {"lr"}}) == 11
    assert len(arms) == 4 * 11 + len(steps)


def test_arms_are_read_from_a_list_commas_in_their_names_included():
    row = EXPERIMENTS["parzen"]
    text = "vral-parzen+h=0.3,vral-parzen+h=0.3,backward,lsgan"
    names = [arm.name for arm in _arms(row, text)]
    assert names == ["vral-parzen+h=0.3", "vral-parzen+h=0.3,backward", "lsgan"]
    assert [arm.settings for arm in _arms(row, "vral-parzen+h=0.3")] == [
        {"bandwidth": 0.3, "parzen_kl": "forward"}
    ]


def test_an_arm_with_a_ratio_of_its_own_is_played_at_that_alone():
    row = EXPERIMENTS["toy2d"]
    options = {"quick": True, "methods": None, "ratios": "1,3", "dataset": "line"}
    got = [(c.arm, c.ratio) for c in _configs(row, {**options, "seed_count": None})]
    plain = ["nonsaturating", "r1", "r2"]
    wanted = [(arm, ratio) for ratio in "13" for arm in plain]
    assert got == [*wanted, ("wgan-gp+1", "1"), ("wgan-gp+5", "5")]


def test_arms_stand_in_the_order_of_their_methods():
    arms = ["vral-meta+mean", "standard", "vral-meta"]
    assert sorted(arms, key=arm_order) == ["standard", "vral-meta", "vral-meta+mean"]


def trained(config, folder):
    report = run.execute(config, folder, Execution("cpu"))
    assert report["status"] == "finished"
    return torch.load(folder / "checkpoint.pt", weights_only=True)["profile"]


def test_a_warmed_up_generator_is_that_of_the_lsgan_run_and_stays_when_held(tmp_path):
    shape = {"width": 8, "latent": 3, "batch": 16, "seeds": "0-1"}
    lsgan = trained(resolve("lsgan", {**shape, "rounds": 5}), tmp_path / "lsgan")
    held = {"generator": "held", "warmup": 5, "rounds": 3, "ratio": "4"}
    config = resolve("vral-meta", {**shape, **held})
    profile = trained(config, tmp_path / "held")
    for name, value in lsgan["G"].items():
        assert torch.equal(profile["G"][name], value)
    fresh = build(config, fake_data("digits")).initial.profile
    assert not torch.equal(profile["D"]["score.weight"], fresh["D"]["score.weight"])
    readings = read_parts(tmp_path / "held" / "records")
    assert readings.filter(readings["g_grad_rms"] > 0).height == 2 * 3


def test_a_run_keeps_its_segments(tmp_path):
    config = tiny("lsgan", probe="interpolation", seeds="0-1")
    trained(config, tmp_path / "run")
    table = read_parts(tmp_path / "run" / "interpolation")
    assert set(table["seed"]) == {0, 1}
    assert set(table["pairing"]) == {"random", "nearest"}
    assert table["gamma"].min() == -0.5
    assert table["gamma"].max() == 1.5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["parzen", "--bandwidth", "0.3"], "--bandwidth: given, but it is what makes the arms"),
        (["noise", "--methods", "standard+hidden=7"], "--methods: 'standard+hidden=7' given"),
        (["necessity", "--dataset", "imagenet"], "--dataset"),
        (["clipping", "--clip-scope", "all"], "--clip-scope"),
        (["parzen", "--seeds", "100000"], "--seeds"),
        (["lipschitz", "--ratios", "0"], "--ratios: '0' is not a ratio; allowed: "),
        (["interpolation", "--jobs", "-1"], "--jobs"),
        (["toy2d", "--out", __file__], "is a file"),
        (["artefacts", "--dataset", "mnist", "--data-root", "nowhere"], "--dataset mnist: not"),
    ],
)
def test_bad_input_is_one_line(vral, arguments, said):
    assert said in one_line_error(vral("reproduce", *arguments))


def test_a_folder_holds_one_experiment(vral, tmp_path):
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "study.json").write_text('{"experiment": "ratios", "commands": []}')
    for more in ((), ("--dry-run",)):
        said = one_line_error(vral("reproduce", "clipping", "--out", "study", *SMALL, *more))
        assert "holds the experiment ratios" in said


def test_the_original_s_clipping_needs_a_limit(vral):
    assert "--clip is 0" in one_line_error(vral("train", "lsgan", "--clip-scope", "everything"))
