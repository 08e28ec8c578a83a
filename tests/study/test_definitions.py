"""Published studies and the definitions of the experiments that they were made with."""

import json
from pathlib import Path

import pytest

from vral.study.config import RunConfig, option_name, with_defaults
from vral.study.earlier import EARLIER, definition_of
from vral.study.experiments import EXPERIMENTS
from vral.study.frames import coordinates

PUBLISHED = Path(__file__).parents[2] / "runs/published"
ABOUTS = {
    path.parent.name: about
    for path in sorted(PUBLISHED.glob("*/about.json"))
    if (about := json.loads(path.read_text(encoding="utf-8")))["experiment"] in EXPERIMENTS
}
INTERVALS = ("record_every", "probe_every")
"""How often something is read; no setting of what is trained."""


@pytest.mark.parametrize("study", ABOUTS)
def test_a_published_study_has_the_settings_of_its_definition(study):
    """All but those that its command names."""
    about = ABOUTS[study]
    recorded = with_defaults(about["settings_of_the_first_run"])
    row, place = definition_of(about), coordinates(recorded)
    arm = next(arm for arm in row.arms if arm.name == place["method"])
    config = row.config(arm, place["ratio"], place["dataset"], seeds=recorded["seeds"])
    made = RunConfig(**recorded)
    differs = {
        name
        for name in RunConfig.model_fields
        if name not in INTERVALS and getattr(made, name) != getattr(config, name)
    }
    command = " ".join(about["commands"])
    assert not {name for name in differs if f"{option_name(name)} " not in command}


@pytest.mark.parametrize("study", ABOUTS)
def test_every_published_arm_is_one_of_its_definition(study):
    about = ABOUTS[study]
    arms = {arm.name for arm in definition_of(about).arms}
    assert {coordinates(run | {"dataset": ""})["method"] for run in about["runs"]} <= arms


def test_a_definition_that_has_not_changed_is_today_s():
    assert definition_of({"experiment": "clipping"}) is EARLIER["clipping"]
    assert definition_of({"experiment": "toy2d"}) is EXPERIMENTS["toy2d"]
