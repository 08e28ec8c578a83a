"""Our update against the loops that people write, on one machine at once."""

from typing import TYPE_CHECKING

from vral import lazy

if TYPE_CHECKING:
    from vral.bench.loops import LeanLoop as LeanLoop
    from vral.bench.loops import PlainLoop as PlainLoop
    from vral.bench.workloads import Case as Case
    from vral.bench.workloads import Mode as Mode
    from vral.bench.workloads import Ours as Ours

__getattr__, __dir__, __all__ = lazy.exports(
    __name__,
    {
        "vral.bench.loops": ["LeanLoop", "PlainLoop"],
        "vral.bench.workloads": ["Case", "Mode", "Ours"],
    },
)
