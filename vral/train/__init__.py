"""The one trainer: state, step, schedule, loop, records and checkpoints.

``play``, the eager loop for a script of your own, is exported by ``vral``.
"""

from typing import TYPE_CHECKING

from vral import lazy

if TYPE_CHECKING:
    from vral.train.loop import train as train
    from vral.train.play import draw_stream as draw_stream
    from vral.train.play import start as start
    from vral.train.records import Recorder as Recorder
    from vral.train.schedule import Ratio as Ratio
    from vral.train.state import Clock as Clock
    from vral.train.state import TrainState as TrainState
    from vral.train.step import make_step as make_step

__getattr__, __dir__, __all__ = lazy.exports(
    __name__,
    {
        "vral.train.loop": ["train"],
        "vral.train.play": ["draw_stream", "start"],
        "vral.train.records": ["Recorder"],
        "vral.train.schedule": ["Ratio"],
        "vral.train.state": ["Clock", "TrainState"],
        "vral.train.step": ["make_step"],
    },
)
