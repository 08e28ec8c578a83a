"""Settings of rules in their old, flat form and in today's: two directions that undo each other."""

import json
import random
from pathlib import Path

import pytest

from vral.study.config import RunConfig, resolve, with_defaults
from vral.study.earlier import definition_of
from vral.study.experiments import EXPERIMENTS
from vral.study.folders import read_run
from vral.study.frames import coordinates
from vral.study.upgrade import RATES, SETTINGS, TEXTS, flat, form_today, upgrade

TRANSFORMS = ("sgd", "momentum", "rmsprop", "adam")
RULES = ("extragradient", "optimistic", "consensus", "smooth", "nk", "sga", "unrolled")
DRAWS = {
    "rule": (*TRANSFORMS, *RULES),
    "transform": TRANSFORMS,
    **dict.fromkeys(RATES.values(), ("same", *TRANSFORMS)),
    **dict.fromkeys(RATES, (0.0, 0.01, 3e-05)),
    **{"beta1": (0.0, 0.5, 0.9), "beta2": (0.9, 0.999), "eps": (1e-08, 3e-06)},
    **{"momentum": (-0.3, 0.9), "rmsprop_decay": (0.9, 0.99)},
    **{"consensus": (1.0, 10.0, 0.123456789), "consensus_draws": (1, 2)},
    **{"smooth": (0.5, 1.0), "nk": (0.0, 1.0), "sga": (0.7, 1.0), "sga_sign": ("fixed", "aligned")},
    **{"unroll": (0, 5, 30), "unroll_lr": (0.0, 0.01)},
}
PUBLISHED = Path(__file__).parents[2] / "runs/published"
OTHERS = {"lr": 0.1, "clip": 0.01, "seeds": [0, 1]}


def used(settings) -> set[str]:
    """The old settings that such a run looked at."""
    followed = {settings["rule"], *(settings[text] for text in RATES.values())}
    if settings["rule"] not in TRANSFORMS:
        followed.add(settings["transform"])
    return {name for name, place in SETTINGS.items() if followed & set(place.rules)}


def random_settings(draw: random.Random):
    """An old run's settings, those that it did not look at being at their defaults."""
    settings = {name: draw.choice(values) for name, values in DRAWS.items()}
    unused = SETTINGS.keys() - used(settings)
    return settings | {name: SETTINGS[name].default for name in unused} | OTHERS


def changed(settings) -> dict:
    defaults = {name: place.default for name, place in SETTINGS.items()}
    defaults |= TEXTS | dict.fromkeys(RATES, 0.0)
    return {name: value for name, value in settings.items() if value != defaults.get(name)}


def test_every_old_setting_is_drawn():
    assert DRAWS.keys() == {*TEXTS, *SETTINGS, *RATES}


def test_back_and_forth_is_the_identity_on_random_settings():
    draw = random.Random(0)
    for _ in range(2000):
        old = random_settings(draw)
        new = upgrade(old)
        assert new.keys() == {*TEXTS, *OTHERS}
        assert flat(new) == changed(old)
        assert flat(upgrade(changed(old) | {"eps": old["eps"]})) == changed(old)


def test_old_settings_become_canonical_texts_of_today():
    draw = random.Random(1)
    for _ in range(100):
        new = upgrade(random_settings(draw)) | {"clip": 0.0}
        config = resolve("lsgan", new)
        assert config.model_dump(include=TEXTS.keys()) == {name: new[name] for name in TEXTS}


def test_settings_without_effect_are_left_out():
    old = {"rule": "sgd", "beta1": 0.9, "consensus": 3.0, "transform": "rmsprop", "eps": 1e-8}
    assert upgrade(old) == {**TEXTS, "rule": "sgd", "transform": "rmsprop"}


def test_settings_of_today_stay_as_they_are():
    settings = {"rule": "consensus:gamma=3", "rule_d": "same:lr=0.1", "lr": 0.1}
    assert upgrade(settings) == settings


@pytest.mark.parametrize(
    "settings",
    [
        {"rule": "adam:beta1=0.9", "rule_d": "adam"},
        {"rule": "adam:eps=1e-08", "rule_g": "rmsprop"},
        {"rule": "adam", "transform": "adam:beta1=0.9"},
    ],
    ids=["two Adams", "two epsilons", "an unused transform"],
)
def test_what_has_no_old_form_has_an_identity_of_its_own(settings):
    assert flat(settings) == settings


IDENTITIES: list[tuple[str, str, dict]] = [
    ("46470f2a3489f9641fa453cc86abf070", "lsgan", {}),
    ("29e1506b50c07c3e00219fff59143768", "lsgan", {"rule": "momentum:momentum=-0.3"}),
    ("b4a8a8b3b8d1b8efe1cf1c6800256739", "lsgan", {"rule": "rmsprop:decay=0.9,eps=1e-5"}),
    ("34b979aac124f94c779290dc7ba9fd7d", "vral-meta", {"rule": "consensus:gamma=3,draws=2"}),
    ("876e85f9c1366e4a91bd307aa386b966", "lsgan", {"rule": "sga:weight=0.7,sign=aligned"}),
    ("09f3bbef4c86ec04f9e9efbf51098ef0", "vral-meta", {"rule": "unrolled:steps=2,lr=0.01"}),
    ("5ee091a2491c047a451d70372940c531", "wgan-gp", {"rule": "adam:beta1=0,beta2=0.9,eps=1e-8"}),
    (
        "db55a62e9a33110e3e792595dd9a2598",
        "vral-meta",
        {"rule_d": "sgd:lr=0.01", "rule_meta": "rmsprop:lr=0.003", "rule_g": "same:lr=2e-4"},
    ),
    (
        "1a9cd16663431944a770ae5a8c334169",
        "vral-meta",
        {"rule": "extragradient", "transform": "rmsprop"},
    ),
]
"""Digests that the version of commit ad47995 computed of the same runs, in its own settings."""

SHAPE = {"dataset": "digits", "width": 12, "ratio": "3", "rounds": 2, "batch": 16}


@pytest.mark.parametrize(("identity", "method", "settings"), IDENTITIES)
def test_identities_are_those_of_the_version_before(identity, method, settings):
    kept = {"record_every": 1, "probe_every": 1}
    assert resolve(method, {**SHAPE, **kept, **settings}).identity == identity


def test_published_studies_followed_the_rules_of_their_experiments():
    """Their settings were recorded before rules had settings of their own."""
    seen = {}
    for path in sorted(PUBLISHED.glob("*/about.json")):
        about = json.loads(path.read_text())
        if about["experiment"] in EXPERIMENTS:
            row, recorded = definition_of(about), about["settings_of_the_first_run"]
            arm = next(arm for arm in row.arms if arm.name == coordinates(recorded)["method"])
            config = row.config(arm, recorded["ratio"], recorded["dataset"])
            now = with_defaults(recorded)
            assert now.keys() == RunConfig.model_fields.keys()
            assert {name: now[name] for name in TEXTS} == config.model_dump(include=TEXTS.keys())
            seen[path.parent.name] = now["rule"]
    assert seen["toy2d-line"] == "rmsprop:eps=1e-08"
    assert seen["ratios-mnist"] == "adam"


def test_a_recorded_run_reads_as_today_s(tmp_path):
    config = resolve("lsgan", {"rule": "adam:beta1=0.9", "rule_d": "same:lr=0.01"})
    recorded = config.model_dump(mode="json") | {"rule": "adam", "rule_d": "same"}
    recorded |= {"beta1": 0.9, "lr_d": 0.01, "consensus": 10.0}
    assert RunConfig(**with_defaults(recorded)) == config
    report = {"config": recorded, "status": "finished", "rounds_done": 2}
    (tmp_path / "run.json").write_text(json.dumps(report))
    assert RunConfig(**read_run(tmp_path)["config"]) == config


@pytest.mark.parametrize(
    ("option", "form"),
    [
        ("beta1", "--rule adam:beta1=0.9"),
        ("lr_meta", "--rule-meta same:lr=0.9"),
        ("eps", "--rule adam:eps=0.9 or --rule rmsprop:eps=0.9"),
        ("rmsprop_decay", "--rule rmsprop:decay=0.9"),
        ("unroll", "--rule unrolled:steps=0.9"),
    ],
)
def test_every_old_option_has_a_form_today(option, form):
    assert form_today(option, "0.9") == form


@pytest.mark.parametrize("option", [*SETTINGS, *RATES])
@pytest.mark.parametrize("command", [("train", "lsgan"), ("reproduce", "ratios")])
def test_an_old_option_answers_with_its_form_today(vral, command, option):
    result = vral(*command, f"--{option.replace('_', '-')}", "0.9", "--dry-run")
    assert result.exit_code == 2
    assert form_today(option, "0.9") in result.stderr
    assert len(result.stderr.splitlines()) == 1
