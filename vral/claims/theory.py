"""Claims about theory: small games without chance (T1 to T7), points in the plane (T8)."""

from typing import Any

from vral.claims.quantities import last, measured, quotient
from vral.claims.register import registered
from vral.claims.verdict import Claim
from vral.dynamics import (
    basins,
    damping,
    errata,
    lazy_r1,
    limit_cycles,
    mixture_spectrum,
    portraits,
)
from vral.dynamics.systems import GAMMA, meta_label, parzen_label
from vral.study.measured import Quantity

DIRAC = "Dirac-GAN"


def computed(name: str, about: dict[str, str], row: Quantity, **fields: Any) -> Claim:
    """The claim ``name`` on one row of ``measured.csv``, which is computed without chance.

    ``about`` holds what claims of one experiment share. ``row`` is imported from the module that
    measures it. Raises ValueError where the register asks for another quantity.
    """
    claim = registered(
        name,
        row=row,
        arms=(row.case,),
        ratios=(),
        datasets=(about.get("game", DIRAC),),
        test=measured(row),
        kind="deterministic",
        **{field: text for field, text in about.items() if field != "game"},
        **fields,
    )
    if claim.quantity != f"{row.quantity}; {row.case}":
        raise ValueError(f"{name} measures {row}; the register has {claim.quantity}")
    return claim


BASINS = {
    "statement": "R1 brings the Dirac-GAN home from all of [-2, 2]²; consensus at γ = 1 does not.",
    "source": "Mescheder et al. 2018; spurious attractors of consensus as recalled from its "
    "supplement",
    "experiment": "dirac-basins",
    "figure": "basins",
}
RATES = {
    "statement": "Two time scales do not mend an unregularised GAN.",
    "source": "Mescheder et al. 2018, Dirac-GAN; this project",
    "experiment": "dirac-damping",
    "figure": "damping",
}
ONE_CENTRED = {
    "statement": "WGAN-GP's field does not vanish at the equilibrium, and it circles around it.",
    "source": "Mescheder et al. 2018, Dirac-GAN",
    "experiment": "limit-cycles",
    "figure": "limit-cycles",
}
LAZY = {
    "statement": "R1 every k-th step with weight k·γ breaks at h·γ·k ≈ 2, if γ ≥ 1.",
    "source": "this project, on StyleGAN2's lazy regularisation",
    "experiment": "lazy-r1",
    "figure": "lazy-r1",
    "would_change": "Another curvature of the loss; at γ well below 1 the wall comes earlier.",
}
ERRATA = {
    "source": "this project, against the published artefact",
    "experiment": "errata",
    "figure": "errata",
    "would_change": "Nothing: both ways are computed from their definitions.",
}
DAMPED = {
    "statement": "Regularising D's variance damps the rotation of G and D by itself.",
    "source": "this project's question; VRAL on the Dirac-GAN has no published analysis",
    "experiment": "dirac",
    "figure": "portraits",
}
POINTS = "Data that are no point: where D's scores have variance."
PENALTY = "The penalty taken away."
SHIFTED = {
    "game": "mixture GAN",
    "statement": "Consensus optimization moves a GAN's eigenvalues away from the imaginary axis.",
    "source": "Mescheder et al. 2017, figure of the eigenvalues",
    "experiment": "spectrum-mog",
    "figure": "spectrum-mog",
}
THEORY = [
    computed(
        "T1.r1",
        BASINS,
        basins.smallest_share_of(basins.R1),
        restatement="Of 41 × 41 starts in [-2, 2]² all come home with R1, under every γ of the map "
        "and every algorithm.",
        would_change="A step beyond R1's largest stable one.",
    ),
    computed(
        "T1.consensus",
        BASINS,
        basins.LARGEST_SHARE_OF_CONSENSUS,
        restatement="With the exact consensus at γ = 1 at most 95 % of the starts come home under "
        "any algorithm.",
        would_change="A γ at which fewer starts lie where ½‖v‖² falls towards infinity.",
    ),
    computed(
        "T1.notebook",
        BASINS,
        basins.share_of(basins.NOTEBOOK, 1, "AltGD 1:5"),
        restatement="With consensus as in the authors' notebook at γ = 1, alternating 1:5, at most "
        "95 % of the starts come home.",
        would_change="Fewer D steps: its other algorithms bring all starts home at this γ.",
    ),
    computed(
        "T2.simultaneous",
        RATES,
        damping.SIMGD_GROWTH,
        restatement="Simultaneous gradient descent on the unregularised game has ρ² of at least "
        "1 + 0.99 (hf')² at all steps tried: above 1 at each.",
        would_change="Any damping.",
    ),
    computed(
        "T2.ttur",
        RATES,
        damping.TTUR_SIMGD_GROWTH,
        restatement="So it is at all ratios of step sizes from 1:64 to 64:1: ρ² of at least "
        "1 + 0.99 h_g h_d f'².",
        would_change="Any damping.",
    ),
    computed(
        "T2.flow",
        RATES,
        damping.TTUR_FLOW_REAL_PART,
        restatement="In continuous time all eigenvalues stay on the imaginary axis at every ratio.",
        would_change="Any damping.",
    ),
    computed(
        "T2.alternating",
        RATES,
        damping.TTUR_ALTGD_OFF_CIRCLE,
        restatement="Alternating descent stays on the unit circle at every ratio: it neither grows "
        "nor converges.",
        would_change="Steps of √(h_g h_d)·f' above 2, at which it diverges.",
    ),
    computed(
        "T3.field",
        ONE_CENTRED,
        limit_cycles.SPEED_BESIDE_ORIGIN,
        restatement="Beside (0, 0) the field of WGAN-GP around g₀ is as long as γ·g₀: there is no "
        "equilibrium to converge to.",
        would_change="A penalty centred at 0.",
    ),
    computed(
        "T3.cycle",
        ONE_CENTRED,
        limit_cycles.SMALLEST_MEAN_RADIUS,
        restatement="At all settings tried, one and five D steps among them, it ends on a cycle "
        "whose mean radius is half of g₀ or more.",
        would_change="A penalty centred at 0, or a step that decays.",
    ),
    *(
        computed(
            f"T4.gamma={gamma}.{short}",
            LAZY,
            lazy_r1.wall_of(gamma, algorithm),
            restatement=f"At γ = {gamma} under {algorithm} the first unstable interval k lies "
            "within 20 % of h·γ·k = 2.",
        )
        for gamma in (1, 2)
        for algorithm, short in (("SimGD", "sim"), ("AltGD 1:1", "alt"))
    ),
    computed(
        "T5.consensus",
        ERRATA,
        errata.CONSENSUS_GRADIENT_ERROR,
        statement="The authors' Dirac-GAN notebook follows another field than consensus.",
        restatement="On 5 × 5 points of [-2, 2]² its gradient of ½‖v‖² errs by 0.01 or more.",
    ),
    computed(
        "T5.escape",
        ERRATA,
        errata.EXACT_CONSENSUS_RADIUS,
        statement="The authors' Dirac-GAN notebook follows another field than consensus.",
        restatement="From the start of a published panel, which shows convergence, exact consensus "
        "is 1 or more away from the equilibrium after 500 rounds.",
    ),
    computed(
        "T5.r3gan",
        ERRATA,
        errata.R3GAN_EIGENVALUE_ERROR,
        statement="R3GAN's equation 12 lacks a square.",
        restatement="The imaginary part that it prints for γ = 0.3 errs by 0.01 or more.",
    ),
    computed(
        "T5.jacobian",
        ERRATA,
        errata.JACOBIAN_ROWS_KEPT,
        statement="The published eigenvalue notebook loses rows of its Jacobian.",
        restatement="Of the Jacobian's rows it keeps half or fewer, so there are no eigenvalues.",
    ),
    *(
        computed(
            f"T6.{arm}",
            DAMPED | ({"statement": "R1 beside it does (the control)."} if "r1" in arm else {}),
            portraits.abscissa_of(case),
            restatement=f"At the equilibrium of the Dirac-GAN the eigenvalues of (θ, ψ) under "
            f"{case} have real parts of -0.01 or less.",
            would_change=change,
        )
        for arm, case, change in (
            ("meta", meta_label(), POINTS),
            ("parzen", parzen_label("backward"), POINTS),
            ("parzen-forward", parzen_label("forward"), POINTS),
            ("meta-r1", meta_label(GAMMA), PENALTY),
            ("parzen-r1", parzen_label("backward", GAMMA), PENALTY),
        )
    ),
    computed(
        "T7.damping",
        SHIFTED,
        mixture_spectrum.DAMPING_GAINED,
        restatement="After training, -Σ Re λ / Σ |λ| (1: all eigenvalues real and negative) of the "
        "field that consensus follows is larger by 0.1 than that of a GAN trained without it (one "
        "seed; undecided where a GAN has gone away from rest: ‖v‖ is larger than at its start).",
        would_change="Other seeds, a smaller step, longer training: no end is a stationary point.",
    ),
]

TOY2D = {"experiment": "toy2d", "figure": "transport"}
PLANE = [
    registered(
        "T8.wgan-gp",
        statement="WGAN-GP fails with one D step where it does not with five.",
        source="Mescheder et al. 2018, 2-D experiments, as recalled",
        **TOY2D,
        restatement="W1 to held-out points of WGAN-GP with one D step is at the end at least twice "
        "that with five.",
        would_change="A smaller step, with which one D step keeps up.",
        arms=("wgan-gp+1", "wgan-gp+5"),
        ratios=("1", "5"),
        test=quotient(last("wgan-gp+1", "w1", "1"), last("wgan-gp+5", "w1", "5")),
        divergence="supports",
    ),
    registered(
        "T8.r1-r2",
        statement="R1 and R2 do equally well in the plane.",
        source="Mescheder et al. 2018, 2-D experiments, as recalled",
        **TOY2D,
        restatement="W1 to held-out points of R1 is at the end between 0.8 and 1.25 times that of "
        "R2.",
        would_change="A distance near the floor that sampling sets, which is noise.",
        arms=("r1", "r2"),
        ratios=("1",),
        test=quotient(last("r1", "w1", "1"), last("r2", "w1", "1")),
    ),
]
