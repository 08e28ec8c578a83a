"""EXPERIMENTS: each row is arms × ratios × data sets × seeds, and what its table shows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from vral.data.datasets import DATASETS
from vral.study.config import RunConfig, resolve
from vral.study.methods import arm_name


@dataclass(frozen=True)
class Arm:
    """A method; with a ``variant``, under further settings."""

    method: str
    variant: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    ratio: str = ""
    """The only ratio at which the arm is played; empty: the experiment's ratios."""

    @property
    def name(self) -> str:
        return arm_name(self.method, self.variant)


@dataclass(frozen=True)
class Experiment:
    """A study: arms × ratios × data sets × seeds. Options of the command line replace any part."""

    question: str
    about: str
    """What it trains and what to look at: the command's help text."""
    arms: tuple[Arm, ...]
    ratios: tuple[str, ...]
    metrics: dict[str, str]
    """Columns of the printed table: metric to heading."""
    datasets: tuple[str, ...] = ("digits",)
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of every arm."""
    on: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings of every arm on one data set; they win over those at a ratio."""
    at: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings of every arm at one ratio."""
    quick: dict[str, int] = field(default_factory=dict)
    """Rounds and seeds of the quick form."""
    first_seed: int = 0
    """The least seed; not 0 where settings are chosen that other seeds are then to judge."""

    def config(self, arm: Arm, ratio: str, dataset: str, **given: object) -> RunConfig:
        """The configuration of an arm's run; ``given`` settings win. Raises ConfigError."""
        here = {**self.settings, **self.at.get(ratio, {}), **self.on.get(dataset, {})}
        settings = {**here, "dataset": dataset, **arm.settings, **given, "ratio": ratio}
        return resolve(arm.method, {**settings, "variant": arm.variant})

    def cells(
        self, arms: Sequence[Arm] | None = None, ratios: Sequence[str] | None = None
    ) -> list[tuple[Arm, str]]:
        """Every (arm, ratio) that is played of ``arms`` and ``ratios``, by default of its own."""
        arms, ratios = self.arms if arms is None else arms, ratios or self.ratios
        played = [(arm, ratio) for ratio in ratios for arm in arms if not arm.ratio]
        return played + [(arm, arm.ratio) for arm in arms if arm.ratio]

    @staticmethod
    def seeds_on(dataset: str) -> int:
        """The number of seeds: ten where samples are points, which cost little, else five."""
        return 10 if len(DATASETS[dataset].shape) == 1 else 5


def plain(*methods: str) -> tuple[Arm, ...]:
    """Each method as an arm, under its own settings."""
    return tuple(Arm(method) for method in methods)


DECK = plain("standard", "nonsaturating", "lsgan", "wgan", "wgan-gp", "vral-meta", "vral-parzen")
"""The seven methods of the VRAL deck."""

PANELS = (*DECK[:6], Arm("vral-meta-10"), DECK[6], Arm("vral-parzen-h1"))
"""The deck's methods, and VRAL with ten steps of R and F and with the authors' Parzen window."""
NORMED = (
    *("nonsaturating", "lsgan", "wgan-gp", "vral-meta", "vral-meta-10", "vral-parzen"),
    "vral-parzen-h1",
)
"""The methods that ``batch-norm`` trains with it and without."""
MATCHED = {"rounds": 50_000, "record_every": 50, "probe_every": 1000}
"""As many D updates at 1:1 as 1,000 rounds at 50:1 have."""

AUTHORS = {"norm_g": "batch", "rule": "adam:eps=1e-08"}
"""Batch norm in G, as the authors had it; Adam's ε is the usual one, theirs was 3e-6."""
LONG = {
    "1": {"rounds": 5000, "record_every": 5, "probe_every": 100},
    "5": {"rounds": 2000, "record_every": 5, "probe_every": 40},
    "10": {"rounds": 1000, "record_every": 10, "probe_every": 20},
    "50": {"rounds": 1000, "record_every": 50, "probe_every": 20},
}
"""At each ratio as long as the deck's networks need to learn; readings kept 1,000 to 2,000 times,
at most one a round."""

IN_THE_PLANE = {"norm_g": "none", "rounds": 5000}
"""``mode-collapse`` trains no batch norm on points, as the authors' is of networks for images, and
makes as many updates of G at 50:1 as at 1:1."""

BUDGET = 50_000
"""Updates of D of every run of ``budget``."""
PROBED_EVERY = {"1": 200, "2": 100, "5": 100, "10": 50, "25": 20, "50": 10, "100": 5}
"""Ratio of ``budget`` to rounds between probes: 200 or 500 updates of D."""

AVERAGED = {"ema_g": 0.99}
"""G's parameters averaged over about its last hundred updates."""
EXPERTS = (
    Arm("nonsaturating"),
    Arm("nonsaturating", "r1", {"r1": 1.0}),
    *plain("r3gan", "hinge"),
    Arm("hinge", "spectral", {"norm_d": "spectral"}),
    *plain("wgan-gp", "lsgan", "vral-meta"),
)
"""The methods of ``experts``, each of which is also played with AVERAGED."""

G_HELD_RATIO = "200"

DAMPED = {"rule_d": "adam:lr=0.0001", "meta_width": 128, "meta_penalty": 1.0}
"""R and F ten times as fast as D, wide, and damped: with ε = 1e-8 D's scores come as VRAL asks."""
USEFUL = (
    *plain("nonsaturating", "lsgan", "wgan-gp", "vral-meta"),
    Arm("vral-meta", "damped", DAMPED),
    *plain("vral-meta-10", "vral-parzen", "vral-parzen-h1"),
)
"""The methods whose signal to G is asked whether it is useful."""


class Stage(NamedTuple):
    """How far a held G has come."""

    warmup: int
    """Rounds of LSGAN that train it."""
    coverage: float
    """The least median coverage with which anything is said of it."""
    variance_share: float
    """Likewise of its share of the data's variance, on all samples of a probe ("variance_share"),
    or on those of the usefulness probe ("usefulness_variance_share")."""


STAGES = {
    "early": Stage(25, 0.05, 0.1),
    "middling": Stage(150, 0.1, 0.3),
    "good": Stage(500, 0.5, 0.5),
}
"""Stages of the held G of ``usefulness``. A pilot on digits with seeds 100 to 104, which judge
nothing, read LSGAN with batch norm in G at 1:1 every 25 rounds. Median [least, largest] after 25,
150 and 500: coverage .09 [.04, .13], .22 [.19, .26], .67 [.61, .71]; share of the data's variance
.22 [.20, .24], .40 [.36, .43], .81 [.77, .87]. Untrained: coverage .02, share .22."""

G_HELD = {
    **AUTHORS,
    "generator": "held",
    "warmup": STAGES["good"].warmup,
    "rounds": 60,
    "probe_every": 1,
}
"""G is trained until it is good and then held fixed. D is then trained for 60 rounds at
G_HELD_RATIO, 12,000 updates."""
G_UNTRAINED = {"warmup": 0, "norm_g": "none", "rule": "adam"}
"""On ``segments`` G starts on the segment beside the data; it needs no training, and its study is
the one that it was."""


def at_stage(arm: str, stage: str) -> str:
    """The name of the arm that trains a D as ``arm`` does, against the held G of ``stage``."""
    method, _, variant = arm.partition("+")
    return arm_name(method, ",".join(filter(None, (variant, stage))))


def stage_of(arm: str) -> tuple[str, str]:
    """(arm, stage) of a name that ``at_stage`` made; the stage is "" where G is trained."""
    method, _, variant = arm.partition("+")
    *first, last = variant.split(",")
    return (arm_name(method, ",".join(first)), last) if last in STAGES else (arm, "")


TRAINING = {
    "grad_norm_fake": "‖∇D‖",
    "score_var_fake": "Var D(G(z))",
    "signal_fake": "signal to G",
    "g_grad_rms": "G gradient RMS",
    "frechet": "Fréchet dist.",
    "coverage": "coverage",
}

LEARNED = {
    "frechet": "Fréchet dist.",
    "coverage": "coverage",
    "score_var_fake": "Var D(G(z))",
    "signal_fake": "signal to G",
}

BANDWIDTHS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5)


def _parzen_arms() -> tuple[Arm, ...]:
    return tuple(
        Arm(
            "vral-parzen",
            f"h={h:g}" + ("" if kl == "forward" else f",{kl}"),
            {"bandwidth": h, "parzen_kl": kl},
        )
        for kl in ("forward", "backward")
        for h in BANDWIDTHS
    )


TUNED_LRS = (3e-4, 1e-3, 3e-3)
"""Learning rates of D and G in ``tuning``."""
LONE_LRS = (1e-4, 2e-4, 3e-4, 5e-4, 1e-3, 2e-3, 3e-3, 5e-3, 1e-2)
"""Likewise where nothing else is tuned, so that every arm has nine cells or more."""
BEYOND_LRS = {
    "meta=0.001": (5e-3, 1e-2),
    "weight=1": (1e-4, 2e-4),
    "": (2e-2, 3e-2),
    "r1=1": (5e-3, 1e-2),
}
"""Two more rates beyond the end at which each arm's best cell lay, by that cell's own setting. They
were added after the grid had been read, for all four arms, and before necessity was run."""


def _tuned_arms() -> tuple[Arm, ...]:
    own: dict[str, list[tuple[str, dict[str, Any]]]] = {
        "vral-meta": [
            *((f"meta={x:g}", {"rule_meta": f"same:lr={x:g}"}) for x in (1e-3, 3e-3, 1e-2)),
            ("steps=10", {"meta_steps": 10}),
        ],
        "moment": [(f"weight={x:g}", {"moment_penalty": x}) for x in (0.1, 1.0, 10.0)],
        "lsgan-01": [("", {}), *((f"r1={x:g}", {"r1": x}) for x in (0.1, 1.0, 10.0))],
    }
    return tuple(
        Arm(method, f"lr={lr:g},{name}".strip(","), {"lr": lr, **settings})
        for method, choices in own.items()
        for name, settings in choices
        for lr in (*(TUNED_LRS if settings else LONE_LRS), *BEYOND_LRS.get(name, ()))
    )


TUNED: dict[str, dict[str, Any]] = {
    "vral-meta": {"lr": 1e-2, "rule_meta": "same:lr=0.001"},
    "moment": {"lr": 1e-4, "moment_penalty": 1.0},
    "lsgan-01": {"lr": 1e-2},
    "lsgan-01+r1": {"lr": 3e-3, "r1": 1.0},
}
"""Settings of the arms of ``necessity``, by a rule that was stated before ``tuning`` was read: for
each arm the cell of its grid with the least median Fréchet distance over seeds 100 to 104
(``tuning.best_settings``). Those of VRAL and of the moment penalty lie at an end of their rates."""


def _necessity_arms() -> tuple[Arm, ...]:
    """The four arms that are compared, and VRAL's own choices, one changed at a time."""
    return (
        *(
            Arm(method, variant, settings)
            for name, settings in TUNED.items()
            for method, _, variant in [name.partition("+")]
        ),
        *(
            Arm(method, variant, {**TUNED[method], **change})
            for method, variant, change in (
                ("vral-meta", "mean", {"g_objective": "mean"}),
                ("moment", "mean", {"g_objective": "mean"}),
                ("vral-meta", "eps=3e-6", {"rule": "adam:eps=3e-06"}),
                ("vral-meta", "batch", {"meta_input": "batch"}),
                ("vral-meta", "means=-1,1", {"mean_fake": -1.0}),
                ("vral-meta", "once", {"meta_schedule": "once"}),
            )
        ),
    )


def _clipped_whole(**settings: Any) -> tuple[Arm, Arm]:
    """The defect of clipping everything in the form that it had, after its control.

    The authors' D had batch norm, whose scales the defect clips too, a rate of 1e-4 and an ε of
    3e-6.
    """
    own = {"norm_d": "batch", "lr": 1e-4, "rule": "adam:eps=3e-06", **settings}
    whole = {**own, "clip_scope": "everything"}
    return Arm("wgan", "norm-d=batch", own), Arm("wgan", "norm-d=batch,clip-all", whole)


def _with_defects(method: str) -> tuple[Arm, ...]:
    return (
        Arm(method),
        Arm(method, "norm-d=batch", {"norm_d": "batch"}),
        Arm(method, "same-real", {"real_batch": "same"}),
    )


EXPERIMENTS: dict[str, Experiment] = {
    "well-trained": Experiment(
        question="What does a D that was trained far ahead tell G?",
        about="Train G for 500 rounds of LSGAN at 1:1 with batch norm, hold it, and train a fresh "
        "D by each method for 12,000 updates; its gradients and scores on held-out data along the "
        "way. Also where a perfect classifier exists: on two disjoint segments, G untrained.",
        arms=plain(
            "standard",
            "nonsaturating",
            "lsgan",
            "wgan-gp",
            "vral-meta",
            "vral-meta-10",
            "vral-parzen",
            "vral-parzen-h1",
        ),
        ratios=(G_HELD_RATIO,),
        datasets=("digits", "segments"),
        settings=G_HELD,
        on={"segments": G_UNTRAINED},
        metrics={
            "median_signal_fake": "signal to G",
            "median_grad_norm_fake": "‖∇D‖",
            "auc": "AUC",
            "overlap": "overlap",
            "held_out_mean_fake": "E D(G(z))",
            "held_out_var_fake": "Var D(G(z))",
            "g_grad_rms": "G gradient RMS",
        },
        quick={"rounds": 5, "seeds": 2},
    ),
    "ratios": Experiment(
        question="Does G still get a useful gradient when D is trained far ahead of it?",
        about="Every method of the deck on digits at 1:1, 5:1 and 50:1 with batch norm in G, for "
        "5,000, 2,000 and 1,000 rounds: D's outputs, ‖∇D‖, Var D(G(z)) and what G makes of them. "
        "The smaller sister of deck, whose claims answer C1 to C9.",
        arms=(*DECK, Arm("vral-meta", "mean", {"g_objective": "mean"})),
        ratios=("1", "5", "50"),
        settings=AUTHORS,
        at=LONG,
        metrics={
            "grad_norm_fake": "‖∇D‖",
            "score_var_fake": "Var D(G(z))",
            "signal_fake": "signal to G",
            "g_grad_rms": "G gradient RMS",
            "frechet": "Fréchet dist.",
            "modes_covered": "modes covered",
            "high_quality": "high quality",
        },
        quick={"rounds": 40, "seeds": 2},
    ),
    "deck": Experiment(
        question="Do the deck's panels hold with the authors' batch norm in G?",
        about="The deck's methods, and VRAL with ten steps of R and F a D update and with the "
        "authors' Parzen window, with batch norm "
        "in G's hidden layers as the authors had it: 5,000 rounds at 1:1, 1,000 at 50:1, and at "
        "1:1 as many updates of D as at 50:1. Panels R1, R3, R4 and R5 on MNIST.",
        arms=(
            *PANELS,
            Arm("vral-meta", "mean", {"g_objective": "mean"}, "50"),
            Arm("vral-parzen-h1", "mean", {"g_objective": "mean"}, "50"),
            *(Arm(arm.method, "matched", MATCHED, "1") for arm in PANELS),
        ),
        ratios=("1", "50"),
        datasets=("mnist",),
        settings=AUTHORS,
        at=LONG,
        metrics={
            "score_var_fake": "Var D(G(z))",
            "signal_fake": "signal to G",
            "overlap": "overlap",
            "frechet": "Fréchet dist.",
            "coverage": "coverage",
        },
        quick={"rounds": 40, "seeds": 2},
    ),
    "budget": Experiment(
        question="Which ratio is best for a given budget?",
        about="Each method at seven ratios from 1:1 to 100:1 for 50,000 updates of D, with batch "
        "norm in G: Fréchet distance and coverage along three clocks, the updates of G, those of "
        "D, and the images that D is shown.",
        arms=(*DECK[:3], *plain("wgan-gp", "r1"), *PANELS[-4:]),
        ratios=tuple(PROBED_EVERY),
        settings=AUTHORS,
        at={
            ratio: {
                "rounds": BUDGET // int(ratio),
                "record_every": max(50, int(ratio)),
                "probe_every": rounds,
            }
            for ratio, rounds in PROBED_EVERY.items()
        },
        metrics=LEARNED,
        quick={"rounds": 40, "seeds": 2},
    ),
    "batch-norm": Experiment(
        question="Does batch norm in G change which method is best?",
        about="The deck's methods at 1:1 and 50:1 with the authors' batch norm in G's hidden "
        "layers and without it, 5,000 and 1,000 rounds long.",
        arms=tuple(
            arm
            for method in NORMED
            for arm in (Arm(method), Arm(method, "plain", {"norm_g": "none"}))
        ),
        ratios=("1", "50"),
        settings=AUTHORS,
        at=LONG,
        metrics=LEARNED,
        quick={"rounds": 40, "seeds": 2},
    ),
    "usefulness": Experiment(
        question="Does the signal that G gets point at the data?",
        about="A fresh D is trained for 12,000 updates against a held G that is early, middling or "
        "good; and G is trained at 50:1 for 500 rounds. Along the way the signal to G is held "
        "against optimal transport: its cosine with the way to the data, and the fall of squared "
        "W2 per step along it, with their chance levels.",
        arms=(
            *USEFUL,
            *(
                Arm(
                    arm.method,
                    at_stage(arm.name, stage).partition("+")[2],
                    {**arm.settings, "generator": "held", "warmup": row.warmup},
                    G_HELD_RATIO,
                )
                for stage, row in STAGES.items()
                for arm in USEFUL
            ),
        ),
        ratios=("50",),
        settings={**AUTHORS, "probe": "usefulness"},
        at={
            "50": {"rounds": 500, "record_every": 50, "probe_every": 50},
            G_HELD_RATIO: {"rounds": 60, "record_every": 200, "probe_every": 6},
        },
        metrics={
            "usefulness_cosine": "cosine with transport",
            "usefulness_w2_drop": "fall of W₂² a step",
            "usefulness_variance_share": "G's share of Var x",
            "coverage": "coverage",
            "frechet": "Fréchet dist.",
        },
        quick={"rounds": 5, "seeds": 2},
    ),
    "experts": Experiment(
        question="Which method draws the best digits, VRAL among those in use today?",
        about="VRAL beside -log D, R1, R3GAN (a relativistic pair with R1 and R2), the hinge loss "
        "without and with spectral normalisation, WGAN-GP and LSGAN, each without and with the "
        "average of G's parameters (ema), all with batch norm in G: 5,000 rounds at 1:1 and 1,000 "
        "at 50:1. A ranking; no claim is judged.",
        arms=(
            *EXPERTS,
            *(
                Arm(of.method, f"{of.variant},ema".strip(","), {**of.settings, **AVERAGED})
                for of in EXPERTS
            ),
        ),
        ratios=("1", "50"),
        settings=AUTHORS,
        at=LONG,
        metrics=LEARNED | {"grad_norm_fake": "‖∇D‖"},
        quick={"rounds": 40, "seeds": 2},
    ),
    "interpolation": Experiment(
        question="How do D and ‖∇D‖ run from real to fake samples?",
        about="Train each method at 50:1 for 1,000 rounds with batch norm in G, then follow D and "
        "‖∇D‖ along the segments from a held-out sample (γ = 0) to a generated one (γ = 1), from "
        "-0.5 to 1.5, for random pairs and for the nearest of 32.",
        arms=DECK,
        ratios=("50",),
        settings={**AUTHORS, "probe": "interpolation"},
        at=LONG,
        metrics={
            "median_grad_norm_fake": "median ‖∇D‖",
            "lipschitz": "Lipschitz constant",
            "auc": "AUC",
            "frechet": "Fréchet dist.",
        },
        quick={"rounds": 10, "seeds": 2},
    ),
    "parzen": Experiment(
        question="Which bandwidth asks D for which variance?",
        about="VRAL with a Parzen window at 50:1 for 1,000 rounds with batch norm in G, forward "
        "and backward KL, bandwidths 0.05 to 1.5: the variance D reaches and the gradient G gets.",
        arms=_parzen_arms(),
        ratios=("50",),
        settings=AUTHORS,
        at=LONG,
        metrics={
            "score_var_real": "Var D(x)",
            "score_var_fake": "Var D(G(z))",
            "signal_fake": "signal to G",
            "g_grad_below_eps": "G gradient < ε",
            "coverage": "coverage",
        },
        quick={"rounds": 10, "seeds": 2},
    ),
    "clipping": Experiment(
        question="Is it clipping that makes gradient norms unstable?",
        about="WGAN with clipped weights at two limits and WGAN-GP, at 5:1 for 2,000 rounds with "
        "batch norm in G; and a replica of the original's clipping of everything (a defect: batch "
        "norm's scales, Adam's moments and count with the weights) beside its control, both with "
        "batch norm in D, at a learning rate of 1e-4 and five times as long.",
        arms=(
            Arm("wgan", "clip=0.01", {"clip": 0.01}),
            Arm("wgan"),
            *_clipped_whole(rounds=10_000, record_every=50, probe_every=200),
            Arm("wgan-gp"),
        ),
        ratios=("5",),
        settings=AUTHORS,
        at=LONG,
        metrics=TRAINING | {"grad_norm_swing": "swing of ‖∇D‖"},
        quick={"rounds": 40, "seeds": 2},
    ),
    "noise": Experiment(
        question="Does noise in D keep its variance and G's gradient up?",
        about="As well-trained, with the standard loss: Gaussian noise of sd 0.1 and 0.3 on D's "
        "hidden layers, and on its input.",
        arms=(
            Arm("standard"),
            *(Arm("standard", f"hidden={sd}", {"hidden_noise": sd}) for sd in (0.1, 0.3)),
            *(Arm("standard", f"input={sd}", {"instance_noise": sd}) for sd in (0.1, 0.3)),
        ),
        ratios=(G_HELD_RATIO,),
        settings=G_HELD,
        on={"segments": G_UNTRAINED},
        metrics={
            "median_signal_fake": "signal to G",
            "median_grad_norm_fake": "‖∇D‖",
            "held_out_var_fake": "Var D(G(z))",
            "auc": "AUC",
        },
        quick={"rounds": 5, "seeds": 2},
    ),
    "lipschitz": Experiment(
        question="Does a bounded variance of D's scores bound its slope?",
        about="Across methods, seeds and moments of training at 50:1, 1,000 rounds with batch norm "
        "in G: Var D(G(z)) against D's empirical Lipschitz constant, and Poincaré's Var D(G(z)) ≤ "
        "E‖∇_z D(G(z))‖².",
        arms=(*DECK, *plain("moment", "r1")),
        ratios=("50",),
        settings=AUTHORS,
        at=LONG,
        metrics={
            "held_out_var_fake": "Var D(G(z))",
            "latent_grad_square": "E‖∇_z D(G(z))‖²",
            "lipschitz": "Lipschitz constant",
        },
        quick={"rounds": 10, "seeds": 2},
    ),
    "necessity": Experiment(
        question="Does meta-adversarial training earn its place?",
        about="VRAL with R and F against the same moments asked for by a penalty, no regulariser "
        "(LSGAN with the same codes), and R1 on that, each with the settings that tuning found "
        "for it; and VRAL's own choices, one changed at a time. 1,000 rounds at 50:1 with batch "
        "norm in G. The deck's future work, questions 1 and 2.",
        arms=_necessity_arms(),
        ratios=("50",),
        settings=AUTHORS,
        at={"50": LONG["50"]},
        metrics=TRAINING | {"ks_fake": "KS fake", "ks_real": "KS real"},
        quick={"rounds": 10, "seeds": 2},
    ),
    "tuning": Experiment(
        question="Which settings suit the arms of necessity best?",
        about="A grid of settings for each arm of necessity, its own weight × the learning rate of "
        "D and G, at 50:1 with batch norm in G: VRAL's learning rate of R and F, and ten steps of "
        "them; the weight of the moment penalty; R1's γ. LSGAN 0/1 has no weight, and "
        "nine learning rates. Every arm's best cell lay at an end of its rates, and got two more: "
        "eleven cells for each arm, fourteen for VRAL. Seeds 100 to 104, which judge nothing; the "
        "least median Fréchet distance wins.",
        arms=_tuned_arms(),
        ratios=("50",),
        settings=AUTHORS,
        at={"50": LONG["50"]},
        metrics={name: LEARNED[name] for name in ("frechet", "coverage")},
        quick={"rounds": 10, "seeds": 2},
        first_seed=100,
    ),
    "mode-collapse": Experiment(
        question="Which methods lose modes, and does the ratio matter?",
        about="A ring of 8 Gaussians, a grid of 25 and digits stacked in three channels (1000 "
        "modes) at 1:1 and 50:1: modes covered, share of high quality, reverse KL. The deck's "
        "problem 1. 5,000 updates of G, on stacks 1,000 at 50:1, and there G has batch norm.",
        arms=plain(
            "standard", "nonsaturating", "lsgan", "wgan-gp", "vral-meta", "vral-parzen", "r1"
        ),
        ratios=("1", "50"),
        datasets=("ring", "grid", "stacked-digits"),
        settings=AUTHORS,
        on={"ring": IN_THE_PLANE, "grid": IN_THE_PLANE},
        at=LONG,
        metrics={
            "modes_covered": "modes covered",
            "high_quality": "high quality",
            "reverse_kl": "reverse KL",
            "frechet": "Fréchet dist.",
        },
        quick={"rounds": 10, "seeds": 2},
    ),
    "artefacts": Experiment(
        question="How much of each headline difference does a defect alone produce?",
        about="The original code's defects, each switched on alone on a run that is otherwise "
        "correct, with batch norm in G and 1,000 rounds long: batch norm in D, one real batch a "
        "round, everything clipped (beside batch norm in D and a learning rate of 1e-4, as it "
        "was), the penalty's gradient at the wrong place, 10:1 labelled 50:1. "
        "The 64-fold scale and the rows of 99 follow from the records of the correct runs.",
        arms=(
            *_with_defects("standard"),
            Arm("lsgan"),
            Arm("wgan"),
            *_clipped_whole(),
            Arm("wgan-gp"),
            Arm("wgan-gp", "same-real", {"real_batch": "same"}),
            Arm("wgan-gp", "real-gp", {"gradient_penalty": 0.0, "legacy_gp": 10.0}),
            *_with_defects("vral-meta"),
        ),
        ratios=("10", "50"),
        settings=AUTHORS,
        at=LONG,
        metrics=TRAINING,
        quick={"rounds": 10, "seeds": 2},
    ),
    "toy2d": Experiment(
        question="Which gradient penalties reach a distribution in the plane?",
        about="A Gaussian, a line, a circle and four lines by -log D without a penalty, with R1 "
        "and with R2 (γ = 10), and by WGAN-GP (λ = 1) with one and with five D steps; W1 to "
        "held-out points beside the floor that sampling alone sets. After Mescheder et al. 2018; "
        "geometry, networks (width 16) and step size (RMSProp 5·10⁻⁴) are ours.",
        arms=(
            *plain("nonsaturating"),
            Arm("r1", "", {"r1": 10.0}),
            Arm("r2", "", {"r2": 10.0}),
            Arm("wgan-gp", "1", {"gradient_penalty": 1.0}, "1"),
            Arm("wgan-gp", "5", {"gradient_penalty": 1.0}, "5"),
        ),
        ratios=("1",),
        datasets=("gaussian", "line", "circle", "four-lines"),
        settings={
            "rounds": 10_000,
            "rule": "rmsprop:eps=1e-08",
            "lr": 5e-4,
            "batch": 128,
            "width": 16,
        },
        metrics={
            "w1": "W1",
            "frechet": "Fréchet dist.",
            "coverage": "coverage",
            "grad_norm_fake": "‖∇D‖",
        },
        quick={"rounds": 300, "seeds": 2},
    ),
}
