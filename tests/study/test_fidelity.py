"""The table of the authors' choices and ours says what the studies do."""

import json
import math
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest
import torch
from cases import fake_data

from vral.errors import ConfigError
from vral.nets import initial_parameters
from vral.nets.network import Generator
from vral.optim.transforms import Adam
from vral.study.build import build
from vral.study.config import RunConfig, resolve, with_defaults
from vral.study.experiments import EXPERIMENTS
from vral.study.fidelity import (
    ANY,
    BECAUSE,
    FIDELITY,
    NAMES,
    SAME,
    SILENT,
    entries,
    experiment_configs,
    experiments,
    listed,
    page,
    published,
    published_configs,
)

PUBLISHED = Path(__file__).parents[2] / "runs" / "published"
REWRITE = "python -c \"from vral.study.fidelity import write; write('runs/published')\""


@pytest.fixture(scope="module")
def found():
    """What the published studies and all experiments do."""
    return entries(published(PUBLISHED) | experiments())


def test_what_is_said_to_be_the_same_is_and_what_is_said_to_differ_does(found):
    for entry in found:
        where = f"{entry.setting}: {entry.ours} in {', '.join(entry.studies)}"
        if entry.choice.authors == SILENT:
            assert entry.verdict == SILENT, where
        elif entry.ours in entry.choice.theirs:
            assert entry.verdict == SAME, where
        else:
            assert entry.verdict.startswith(BECAUSE), f"{where}: say in FIDELITY why it differs"
            assert len(entry.verdict) > len(BECAUSE) + 10, where


def test_no_reason_outlives_what_it_explains(found):
    """Values that no study has are the authors' own, which anybody can ask for."""
    in_use = {(entry.setting, entry.ours) for entry in found}
    for setting, choice in FIDELITY.items():
        for value, verdict in choice.ours.items():
            named = value == ANY or (setting, value) in in_use or value in choice.theirs
            asked_for = setting in ("method", "D's loss", "costlier readings")  # by their names
            assert named or asked_for, f"{setting}: no study has {value}"
            assert verdict in (SAME, SILENT) or verdict.startswith(BECAUSE)
            assert (verdict == SAME) == (value in choice.theirs)


def test_every_row_names_its_source():
    for setting, choice in FIDELITY.items():
        assert len(setting) < 24, "vral ls has a column of that width"
        assert choice.authors
        assert re.search("code|slides|Lasagne", choice.source) or choice.authors == SILENT


OTHER = {
    **{"method": "lsgan", "dataset": "mnist", "ratio": "7", "play": "G-first", "seeds": (0, 1)},
    **{"rounds": 77, "batch": 7, "real_batch": "same", "generator": "held", "warmup": 7},
    **{"network": "dcgan", "width": 7, "latent": 7, "norm_d": "group", "norm_g": "group"},
    **{"hidden_noise": 0.7, "instance_noise": 0.7, "objective": "parzen", "g_objective": "mean"},
    **{"gradient_penalty": 7.0, "r1": 7.0, "r2": 7.0, "legacy_gp": 7.0, "moment_penalty": 7.0},
    **{"clip": 0.7, "clip_scope": "everything", "mean_fake": -7.0, "mean_real": 7.0},
    **{"meta_input": "batch", "meta_width": 7, "meta_game": "minimax", "meta_steps": 7},
    **{"meta_penalty": 7.0, "meta_schedule": "once", "parzen_kl": "backward", "bandwidth": 7.0},
    **{"rule": "adam:eps=0.7", "rule_d": "sgd:lr=0.7", "rule_g": "same:lr=0.7"},
    **{"rule_meta": "same:lr=0.7", "lr": 0.7, "precision": "bf16", "probe": "interpolation"},
    **{"record_every": 7, "probe_every": 7, "transform": "rmsprop", "ema_g": 0.7},
}
"""Another value of every field that has a row."""
NEEDED = {
    "warmup": {"generator": "held"},
    "clip": {"method": "wgan"},
    "clip_scope": {"method": "wgan"},
    "transform": {"rule": "consensus"},
    "parzen_kl": {"method": "vral-parzen"},
    "bandwidth": {"method": "vral-parzen"},
    "network": {"dataset": "cifar10", "network": "mlp", "width": 7},
    "probe_every": {"record_every": 2},
}
"""What a run needs for the field to matter."""


def test_every_setting_has_a_row():
    covered = {name for choice in FIDELITY.values() for name in choice.fields}
    assert covered | set(NAMES) == RunConfig.model_fields.keys()
    assert covered == OTHER.keys()


@pytest.mark.parametrize("name", [name for name in OTHER if name != "probe_every"])
def test_a_changed_setting_changes_a_row_that_names_it(name):
    """Intervals between probes are covered with those between records: neither changes a run."""
    needed = {"method": "vral-meta", "rounds": 3, "record_every": 1, **NEEDED.get(name, {})}
    config = resolve(needed.pop("method"), needed)
    changed = config.model_copy(update={name: OTHER[name]})
    rows = [choice for choice in FIDELITY.values() if name in choice.fields]
    assert any(choice.read(config) != choice.read(changed) for choice in rows)


def test_the_published_page_is_what_the_studies_say():
    text = (PUBLISHED / "fidelity.md").read_text(encoding="utf-8")
    assert text == page(PUBLISHED), f"write it again: {REWRITE}"
    assert REWRITE in text


PLAIN = {
    **{"norm in G": "norm_g", "norm in D": "norm_d", "size of z": "latent", "batch": "batch"},
    **{"data set": "dataset", "lr of D and G": "lr", "who moves first": "play"},
}
"""Rows that show a field as it stands."""


OF_TABLES_ALONE = sorted(
    path.parent for path in PUBLISHED.glob("*/about.json") if (path.parent / "final.csv").exists()
)
"""Published studies whose runs are not kept. Settings of the others are read from run.json."""


@pytest.mark.parametrize("study", OF_TABLES_ALONE)
def test_the_published_page_agrees_with_the_settings_that_a_study_recorded(study):
    about = json.loads((study / "about.json").read_text(encoding="utf-8"))
    recorded = with_defaults(about["settings_of_the_first_run"])
    shown: dict[str, set[str]] = {}
    setting = ""
    for line in (PUBLISHED / "fidelity.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if len(cells) == 6:
            setting = cells[0].strip("*") or setting
            names = cells[4].removeprefix("all but ").split(", ")
            named = any(fnmatch(study.name, name) for name in names)
            if named != cells[4].startswith("all"):
                shown.setdefault(setting, set()).add(cells[3])
    for row, name in PLAIN.items():
        if (row, recorded["network"]) != ("norm in G", "segment"):
            assert str(recorded[name]) in shown[row], row


def test_the_configurations_of_a_published_study_are_those_of_its_runs():
    about = {
        "experiment": "clipping",
        "settings_of_the_first_run": resolve(
            "wgan", {"ratio": "5", "variant": "clip=0.01", "clip": 0.01, "lr": 2e-4, "rounds": 9}
        ).model_dump(mode="json"),
        "runs": [
            {"method": method, "variant": variant, "ratio": "5", "rounds": 9, "seeds": [0, 1]}
            for method, variant in (("wgan", "clip=0.01"), ("wgan", "clip-all"), ("wgan-gp", ""))
        ],
    }
    first, whole, penalty = published_configs(about)
    assert {config.lr for config in (first, whole, penalty)} == {2e-4}
    assert [config.clip for config in (first, whole, penalty)] == [0.01, 0.1, 0.0]
    assert [config.gradient_penalty for config in (first, whole, penalty)] == [0.0, 0.0, 10.0]
    assert whole.clip_scope == "everything"
    assert first.seeds == (0, 1)
    about["runs"][0]["variant"] = "gone"
    with pytest.raises(ConfigError, match=r"wgan\+gone is none of its arms"):
        published_configs(about)
    about["settings_of_the_first_run"]["colour"] = "red"
    with pytest.raises(ConfigError, match="colour"):
        published_configs({**about, "runs": about["runs"][1:]})


def test_the_networks_say_what_their_rows_say():
    """Rows that are read from modules, of the authors' own pair on MNIST."""
    config = resolve(
        "vral-meta", {"dataset": "mnist", "network": "mnist-conv", "norm_g": "batch", "rounds": 1}
    )
    rows = ("networks", "D's activation", "G's activations", "form of the norm", "initial weights")
    for setting in (*rows, "R and F", "law of z", "norm in G", "size of z"):
        choice = FIDELITY[setting]
        assert choice.read(config) in choice.theirs, setting


def test_initial_weights_are_glorot_s():
    config = resolve("lsgan", {"rounds": 1, "norm_g": "batch"})
    gan = build(config, fake_data("digits")).gan
    for network in (gan.discriminator, gan.generator):
        for name, value in initial_parameters(network, torch.Generator().manual_seed(0)).items():
            if value.ndim == 2:
                bound = math.sqrt(6 / sum(value.shape))
                assert 0.8 * bound < value.abs().max() <= bound
            elif name.endswith("bias"):
                assert not value.any()
    assert isinstance(gan.generator, Generator)


def test_adam_adds_epsilon_to_the_corrected_root():
    """After one step from rest that is lr·g / (|g| + ε), not lr·g / (|g| + ε / √(1-β₂))."""
    rule = Adam(lr=1.0, eps=1e-3)
    start = {"x": torch.zeros(1, dtype=torch.float64)}
    moved, _ = rule.update(
        {"x": torch.full((1,), 1e-3, dtype=torch.float64)}, rule.init(start), start
    )
    assert moved["x"].item() == pytest.approx(-0.5)


def test_real_batches_are_drawn_with_replacement_and_of_the_training_split_alone():
    """Sixty-four draws of eight samples repeat some; a shuffle would have only eight to give."""
    data = fake_data("digits", count=16)
    stream = build(resolve("lsgan", {"rounds": 1}), data).stream
    _, draw = next(iter(stream.round([("D",)])))
    rows = draw["real"][0].flatten(1)
    assert len(rows) == 64
    assert (rows[:, None] == data.train.flatten(1)[None]).all(-1).any(1).all()


def test_names_are_listed_or_those_that_are_missing():
    every = ["a", "b", "c", "d"]
    assert listed(["a"], every) == "a"
    assert listed(["a", "b", "d"], every) == "all but c"
    assert listed(every, every) == "all"
    planes = ["deck", "toy2d-line", "toy2d-circle"]
    assert listed(planes[1:], [*planes, *every]) == "toy2d-*"
    assert listed(planes, [*planes, *every]) == "deck, toy2d-*"
    assert listed(planes[:2], [*planes, *every]) == "deck, toy2d-line"


def test_experiments_are_read_with_every_arm_and_ratio():
    arms = {(config.arm, config.ratio) for config in experiment_configs("toy2d")}
    assert ("wgan-gp+5", "5") in arms
    assert ("r1", "1") in arms
    assert {len(config.seeds) for config in experiment_configs("toy2d")} == {10}
    assert experiments().keys() == EXPERIMENTS.keys()
