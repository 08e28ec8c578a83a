"""Functions of (game, profile, draw), of scores and of samples that show what is going on.

``spectrum`` and ``gamma_sweep``, which have the names of their files, are exported by ``vral``.
"""

from typing import TYPE_CHECKING

from vral import lazy

if TYPE_CHECKING:
    from vral.diagnostics.gamma_sweep import GammaSweep as GammaSweep
    from vral.diagnostics.gradients import METRICS as METRICS
    from vral.diagnostics.gradients import gan_readings as gan_readings
    from vral.diagnostics.linearise import Map as Map
    from vral.diagnostics.linearise import field_map as field_map
    from vral.diagnostics.linearise import jacobian as jacobian
    from vral.diagnostics.linearise import update_map as update_map
    from vral.diagnostics.probe import Probe as Probe
    from vral.diagnostics.quality import frechet_distance as frechet_distance
    from vral.diagnostics.scores import auc as auc
    from vral.diagnostics.scores import ks_distance as ks_distance
    from vral.diagnostics.scores import overlap as overlap
    from vral.diagnostics.scores import score_statistics as score_statistics
    from vral.diagnostics.spectrum import Spectrum as Spectrum
    from vral.diagnostics.transport import wasserstein as wasserstein

__getattr__, __dir__, __all__ = lazy.exports(
    __name__,
    {
        "vral.diagnostics.gamma_sweep": ["GammaSweep"],
        "vral.diagnostics.gradients": ["METRICS", "gan_readings"],
        "vral.diagnostics.linearise": ["Map", "field_map", "jacobian", "update_map"],
        "vral.diagnostics.probe": ["Probe"],
        "vral.diagnostics.quality": ["frechet_distance"],
        "vral.diagnostics.scores": ["auc", "ks_distance", "overlap", "score_statistics"],
        "vral.diagnostics.spectrum": ["Spectrum"],
        "vral.diagnostics.transport": ["wasserstein"],
    },
)
