"""EARLIER: experiments as they were when the first published studies were made.

A published study that has an about.json was made by the definition here; where an experiment is not
here, its definition has not changed since.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vral.study.experiments import EXPERIMENTS, Arm, Experiment


def _before(name: str, **fields: Any) -> Experiment:
    """The experiment ``name`` without the settings that it has now, and with ``fields``."""
    return replace(EXPERIMENTS[name], **{"settings": {}, "on": {}, "at": {}, **fields})


HELD = {"generator": "held", "warmup": 200, "rounds": 60, "probe_every": 1}
SHORT = {"rounds": 200}
CLIP_ALL = Arm("wgan", "clip-all", {"clip_scope": "everything"})
WELL_TRAINED = tuple(
    arm
    for arm in EXPERIMENTS["well-trained"].arms
    if arm.method not in ("vral-meta-10", "vral-parzen-h1")
)
CLIPPING = (Arm("wgan", "clip=0.01", {"clip": 0.01}), Arm("wgan"), CLIP_ALL, Arm("wgan-gp"))

EARLIER: dict[str, Experiment] = {
    "well-trained": _before("well-trained", arms=WELL_TRAINED, settings=HELD),
    "ratios": _before("ratios"),
    "clipping": _before("clipping", arms=CLIPPING),
    "mode-collapse": _before("mode-collapse", settings=SHORT),
}


def definition_of(about: Mapping[str, Any]) -> Experiment:
    """The experiment by which the study of an about.json over seeds was made.

    Every about.json is of an earlier study: ``vral publish`` writes run.json files.
    """
    name = about["experiment"]
    return EARLIER.get(name, EXPERIMENTS[name])
