"""Linearised games: on the Dirac-GAN, a mixture GAN, VRAL's scores, and trained runs.

The Dirac-GAN (data at 0, G at θ, D(x) = ψx; Mescheder et al. 2018) is small enough for closed
forms. Each experiment returns its figures, its tables and the rows of measured.csv, each measured
number beside what is expected. Nothing is random there; ``mixture_spectrum``, a mixture GAN, has
one seed, and ``score_map`` five.

========================  ====================================================================
``portraits``             phase portraits of 21 systems under SimGD, AltGD 1:1 and AltGD 1:5
``basins``                from which starts R1 and consensus converge
``damping``               critical damping, largest stable steps, two time scales
``limit_cycles``          -log D, WGAN-GP, clipped WGAN
``lazy_r1``               R1 at every k-th round, unstable from h·γ·k ≈ 2 on
``errata``                three published mistakes, each computed both ways
``score_game``            D's scores against R and F: what damps them, in closed form
``score_map``             where they meet VRAL's targets, measured
``trained``               a run's checkpoint, linearised
``trade_off``             what D may tell where VRAL has its way with D's scores
========================  ====================================================================

We know of no earlier analysis of VRAL on the Dirac-GAN. In every form, meta and Parzen, the pair
(θ, ψ) rotates without damping, so that locally VRAL converges no better than a plain GAN.
Eigenvalues on the imaginary axis do not decide whether it converges. The backward Parzen form does,
as slowly as -log D: r² ≈ 10/(3t) under the flow and alternating play, while simultaneous play stays
at r² ≈ h/1.2. With R1 added, convergence is exponential.

Where scores do have a variance (Gaussian data) and G aims at the target 1, small bandwidths make a
point with *swapped labels* stable, and p_G = p_data with a critic that is not constant is no
stationary point. A G that matches means converges (``vral.games.dirac_vral``).

In the titles of figures λ are the eigenvalues of (θ, ψ) under one round. The notebook
``notebooks/dirac.ipynb`` shows all of this with the package's own figures.
"""

from typing import TYPE_CHECKING

from vral import lazy

if TYPE_CHECKING:
    from vral.dynamics.systems import System as System
    from vral.dynamics.trained import Trained as Trained
    from vral.dynamics.trained import TrainedRun as TrainedRun
    from vral.dynamics.trained import open_run as open_run

__getattr__, __dir__, __all__ = lazy.exports(
    __name__,
    {
        "vral.dynamics.systems": ["System"],
        "vral.dynamics.trained": ["Trained", "TrainedRun", "open_run"],
    },
)
