# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The Dirac-GAN: training dynamics on one page
#
# All data sit at 0. G puts its one sample at θ, and D is linear: D(x) = ψx, a raw score that is
# high on reals. That is a GAN of two numbers (Mescheder, Geiger and Nowozin 2018), and it shows
# nearly all that can go wrong between two players who both follow their gradients. The only
# equilibrium is (θ, ψ) = (0, 0): G makes the data, and D cannot tell them from real ones.
#
# Keep two things apart:
#
# * the **field** v sends (θ, ψ) to minus each player's gradient of its own loss. Gradient flow
#   follows it, and converges near the equilibrium if all eigenvalues of v' have negative real
#   parts;
# * an **algorithm** takes steps of length h: both players at once (SimGD), or G and then D n times
#   (AltGD 1:n). It converges near the equilibrium if all eigenvalues of one *round* are smaller
#   than 1 in modulus.

# %%
# %matplotlib inline
# %config InlineBackend.print_figure_kwargs = {"dpi": 100, "bbox_inches": "tight"}
import matplotlib.pyplot as plt
import numpy as np
import polars as pl

import vral
from vral import figures
from vral.dynamics import basins, lazy_r1, portraits
from vral.dynamics.systems import ALGORITHMS, systems

every = systems(gamma=0.3)
STEP, ROUNDS = 0.2, 200

# %% [markdown]
# ## Eigenvalues
#
# Every method's Jacobian at the equilibrium is [[-k, -f], [f, -g]] up to the sign of ψ, where f is
# short for f'(0), the slope of the loss f(t) at a score of 0. Without a regulariser k = g = 0 and
# the eigenvalues are ±if: a pure rotation, whatever the loss. R1, (γ/2)·E‖∇ₓD‖², only adds g = γ,
# which damps D. The table is taken by automatic differentiation of the game's losses, not from that
# formula.

# %%
SHOWN = ("gan", "nsgan", "wgan", "r1", "consensus")
pl.DataFrame(
    {
        "method": [every[name].label for name in SHOWN],
        **{
            f"λ{i + 1}": [
                f"{np.linalg.eigvals(every[name].flow_jacobian())[i]:.4f}" for name in SHOWN
            ]
            for i in range(2)
        },
    }
)

# %% [markdown]
# ## Why an unregularised GAN circles
#
# For the minimax loss v is everywhere perpendicular to (θ, ψ), so flow stays on a circle for ever.
# A *step* along the tangent leaves the circle outwards: SimGD multiplies r² by exactly
# 1 + h²f'(ψθ)² each round, and its rounds have ρ = √(1 + h²f²) > 1 for every h. Alternating updates
# do better. D sees where G has gone already, and ρ is exactly 1 as long as h√n·f ≤ 2: they circle
# and neither arrive nor leave.
#
# -log D has the same eigenvalues and another end. Away from the equilibrium its field points a
# little inwards: flow and AltGD arrive, but only as r² ≈ 8/t, and SimGD stays on a circle of
# r² = 2h. Eigenvalues on the boundary decide nothing.

# %%
chosen = [every[name] for name in ("gan", "nsgan", "r1")]
portraits.figure(portraits.portraits(chosen, STEP, ROUNDS, portraits.STARTS), STEP, ROUNDS)

# %% [markdown]
# ## R1, and critical damping
#
# With R1 the eigenvalues are -γ/2 ± √(γ²/4 - f²). Up to γ = 2f they turn, and every bit of γ helps.
# Beyond it both are real, and the slow one, about -f²/γ, gets *slower*: R1 then holds D so firmly
# that G no longer learns where to go. The best γ damps critically: 1 for the log-loss (f = ½) and 2
# for WGAN. `vral spectrum RUN --gamma-sweep` asks the same of a trained network.

# %%
toy = vral.dirac()
sweep = vral.gamma_sweep(
    lambda gamma: vral.dirac(r1=gamma).game, toy.at(0.0, 0.0), toy.draw, np.linspace(0, 3, 61)
)
figures.damping(sweep, "R1 on the Dirac-GAN, log-loss")

# %% [markdown]
# What γ means differs between codes: (γ/2)·E‖∇D‖² in the paper, γ·E‖∇D‖² in the authors' code, so
# that its default of 10 is the paper's 20.
#
# ## Consensus optimization has a second home, at infinity
#
# Consensus also lets both players descend ½‖v‖². At the equilibrium this adds -γf² to both real
# parts and leaves the rotation ±if. Far away it does harm: ‖v‖ also goes to 0 where D is so sure of
# itself that the loss is flat, ψθ → -∞, and from a good part of the plane that is where consensus
# goes. With R1 every start in [-2, 2]² came home. (The authors' notebook shows a better consensus,
# because a factor ½ too many got into its gradient; `vral reproduce errata`.)

# %%
GAMMAS, POINTS, MAP_ROUNDS = (1.0, 2.0), 31, 600
maps = {
    (method, "SimGD"): basins.arrivals(method, "SimGD", GAMMAS, POINTS, MAP_ROUNDS, STEP)
    for method in (basins.R1, basins.CONSENSUS)
}
basins.figure(maps, GAMMAS, STEP, MAP_ROUNDS)

# %% [markdown]
# ## Lazy R1 hits a wall
#
# StyleGAN2 computes R1 only every k-th D step and multiplies it with k. On average that is the same
# penalty. But it comes at once: the one penalised step multiplies ψ by about 1 - hγk, which
# overshoots when hγk > 2. That is where the wall is; at small γ it comes earlier.

# %%
INTERVALS = (1, 2, 4, 8, 12, 16, 18, 20, 22, 24, 32, 48)
lazy_r1.experiment(gammas=(1.0,), intervals=INTERVALS).figures["lazy-r1"]

# %% [markdown]
# ## VRAL on the Dirac-GAN
#
# VRAL's D wants scores of mean m_r on reals and m_f on fakes, and variance 1 on both. Its critic
# here has a bias, D(x) = wx + b, as its targets cannot be met without one. Against a point mass the
# Parzen form is least squares exactly: one score under one window. At the only stationary point,
# θ = w = 0 and b halfway between the targets, the pair of (θ, w) has eigenvalues ±i(m_r - m_f)/2
# in the backward form, which is drawn here, with -2 for the bias. The forward form divides the
# pair by the bandwidth and the bias by its square: at 0.3 the bias alone bounds the step to 0.09.
# With meta-discriminators there are five more directions, all damped, and the pair turns all the
# same, at ±0.559i.

# %%
VRAL = ("vral-parzen", "vral-parzen-r1", "vral-parzen-forward", "vral-meta", "vral-meta-r1")
rows = []
for name in VRAL:
    values = portraits.split_eigenvalues(every[name].flow_jacobian())
    rows.append(
        {
            "method": every[name].label,
            "(θ, w)": f"{values[0].real:.3f} ± {abs(values[0].imag):.3f}i",
            "largest Re λ of the others": f"{values[2:].real.max():.3f}",
        }
    )
pl.DataFrame(rows)

# %%
chosen = [every[name] for name in ("vral-parzen", "vral-parzen-r1")]
portraits.figure(portraits.portraits(chosen, STEP, ROUNDS, portraits.STARTS), STEP, ROUNDS)

# %% [markdown]
# What follows for VRAL's local convergence, with a linear critic in one dimension:
#
# 1. On the Dirac-GAN no form of VRAL damps (θ, w): to first order it is a pure rotation, and the
#    eigenvalues leave open what becomes of it. Third order decides, as it does for -log D. Averaged
#    over a turn, d(r²)/dt = -0.3 r⁴ for the backward form: flow and AltGD arrive, but only like
#    r² ≈ 10/(3t), and SimGD stays on a circle of r² ≈ h/1.2. R1 makes it exponential.
# 2. On the Gaussian-location GAN, where scores do have a variance, it decides *what G wants*. With
#    the target loss ½E(D(G) - m_r)² VRAL never comes to rest at p_G = p_data with a critic that
#    says something. At small bandwidths it ends with its labels swapped (b = m_f, wθ = m_r - m_f:
#    fakes get the reals' score, G is content, and D cannot turn round, because on the way w would
#    be 0, where it has no variance); at middle ones it circles; at large ones D is constant. If G
#    matches means instead it converges, without a gradient penalty.
# 3. A nonlinear D can turn round without passing through zero variance. Whether networks do is an
#    empirical question: of a trained run one has to ask if E D(real) > E D(fake).
#
# The eigenvalues behind these sentences are tested in `tests/diagnostics/test_spectrum.py`.

# %% [markdown]
# ## Simultaneous or alternating?
#
# The last figure puts the algorithms side by side: the rate ρ of a round against the step, for R1
# at its critical γ = 1. SimGD has its best step at 1/f = 2, where ρ = 0 and linear play is over in
# two rounds; alternation is limited to smaller steps there, though for light damping it goes
# further than SimGD.

# %%
steps = np.geomspace(0.05, 4.5, 60)
panel, axes = plt.subplots(1, 2, figsize=(8, 2.8), sharey=True, layout="constrained")
for ax, gamma in zip(axes, (0.3, 1.0), strict=True):
    system = systems(gamma)["r1"]
    for algorithm in ALGORITHMS:
        rates = [system.closed_radius(algorithm, step) for step in steps]
        ax.plot(steps, rates, label=algorithm)
    ax.axhline(1, color="black", lw=0.7)
    ax.set(xlabel="step h", xscale="log", ylim=(0, 1.6), title=f"R1, γ = {gamma:g}")
axes[0].set_ylabel("ρ per round; diverges above 1")
_ = axes[1].legend()
