"""Runs and studies: from a configuration to records, tables and statistics over seeds.

``from vral import study; study.read(root, "records")`` reads what a study has recorded.
"""

from typing import TYPE_CHECKING

from vral import lazy

if TYPE_CHECKING:
    from vral.study.config import RunConfig as RunConfig
    from vral.study.config import resolve as resolve
    from vral.study.experiments import EXPERIMENTS as EXPERIMENTS
    from vral.study.experiments import Arm as Arm
    from vral.study.experiments import Experiment as Experiment
    from vral.study.frames import coordinates as coordinates
    from vral.study.frames import read as read
    from vral.study.frames import runs as runs
    from vral.study.measured import Measured as Measured
    from vral.study.methods import METHODS as METHODS
    from vral.study.methods import Method as Method
    from vral.study.run import execute as execute
    from vral.study.statistics import median_interval as median_interval

__getattr__, __dir__, __all__ = lazy.exports(
    __name__,
    {
        "vral.study.config": ["RunConfig", "resolve"],
        "vral.study.experiments": ["EXPERIMENTS", "Arm", "Experiment"],
        "vral.study.frames": ["coordinates", "read", "runs"],
        "vral.study.measured": ["Measured"],
        "vral.study.methods": ["METHODS", "Method"],
        "vral.study.run": ["execute"],
        "vral.study.statistics": ["median_interval"],
    },
)
