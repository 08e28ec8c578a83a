"""METHODS: each row is a label and the settings that make a run that method.

A method is a partial configuration (``vral.study.config.RunConfig`` documents every field), so
any setting of any row can be changed on the command line. The order is that of the figures.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Method:
    """A method by name: how it is shown, and the settings that make it."""

    label: str
    """Its name in figures."""
    description: str
    """What it is and who proposed it, in a line."""
    settings: Mapping[str, object]
    """Fields of RunConfig to their values; the others keep their defaults."""
    colour: str
    """Its colour in figures, as "#rrggbb"."""


VRAL_META = {"objective": "meta", "g_objective": "target"}
VRAL_PARZEN = {"objective": "parzen", "g_objective": "target"}

METHODS: dict[str, Method] = {
    "standard": Method(
        "Standard",
        "the minimax game of Goodfellow et al. 2014; G's gradient saturates",
        {"objective": "standard"},
        "#4d4d4d",
    ),
    "nonsaturating": Method(
        "-log D",
        "as standard, but G minimises -log D",
        {"objective": "nonsaturating"},
        "#0072b2",
    ),
    "lsgan": Method(
        "LSGAN",
        "least squares with codes -1 and +1 (Mao et al. 2017)",
        {"objective": "lsgan"},
        "#56b4e9",
    ),
    "wgan": Method(
        "WGAN",
        "Wasserstein critic, weights clipped after each update (Arjovsky et al. 2017)",
        {"objective": "wgan", "clip": 0.1},
        "#009e73",
    ),
    "wgan-gp": Method(
        "WGAN-GP",
        "Wasserstein critic, one-centred gradient penalty (Gulrajani et al. 2017)",
        {"objective": "wgan", "gradient_penalty": 10.0},
        "#b8a800",
    ),
    "vral-meta": Method(
        "VRAL meta",
        "D fools two meta-discriminators that know N(0,1) and N(1,1)",
        VRAL_META,
        "#d55e00",
    ),
    "vral-meta-10": Method(
        "VRAL meta ×10",
        "the same with ten steps of R and F a D update, which keep them near their optimum",
        {**VRAL_META, "meta_steps": 10},
        "#8c3800",
    ),
    "vral-parzen": Method(
        "VRAL Parzen",
        "D minimises the forward KL of N(0,1), N(1,1) to a Parzen window of its scores",
        VRAL_PARZEN,
        "#cc79a7",
    ),
    "vral-parzen-h1": Method(
        "VRAL Parzen h=1",
        "the same with the authors' bandwidth 1, which asks for no variance at all",
        {**VRAL_PARZEN, "bandwidth": 1.0},
        "#7a3b5e",
    ),
    "vral-parzen-backward": Method(
        "VRAL Parzen bwd",
        "the same with the backward KL",
        {**VRAL_PARZEN, "parzen_kl": "backward"},
        "#e8b4d0",
    ),
    "moment": Method(
        "Moment penalty",
        "VRAL's target moments asked for directly, no meta-discriminator: the control",
        {"objective": "none", "g_objective": "target", "moment_penalty": 1.0},
        "#8c564b",
    ),
    "lsgan-01": Method(
        "LSGAN 0/1", "least squares with codes 0 and 1", {"objective": "lsgan-01"}, "#a6cee3"
    ),
    "hinge": Method("Hinge", "hinge loss (Lim and Ye 2017)", {"objective": "hinge"}, "#7570b3"),
    "bgan": Method(
        "BGAN",
        "boundary-seeking GAN, continuous form (Hjelm et al. 2018)",
        {"objective": "bgan"},
        "#8fb339",
    ),
    "r1": Method(
        "R1",
        "-log D with a zero-centred penalty on real samples (Mescheder et al. 2018)",
        {"objective": "nonsaturating", "r1": 1.0},
        "#e41a1c",
    ),
    "r2": Method(
        "R2",
        "-log D with a zero-centred penalty on fake samples",
        {"objective": "nonsaturating", "r2": 1.0},
        "#fb8072",
    ),
    "r3gan": Method(
        "R3GAN",
        "relativistic pair with R1 and R2, (γ/2) E‖∇D‖² each (Huang et al. 2024)",
        {"objective": "relativistic", "r1": 1.0, "r2": 1.0},
        "#1b5e3a",
    ),
}


def arm_name(method: str, variant: str) -> str:
    """A method under settings of its own is an arm of an experiment: METHOD or METHOD+VARIANT."""
    return f"{method}+{variant}" if variant else method


def label(arm: str) -> str:
    """How figures and tables call an arm."""
    method, _, variant = arm.partition("+")
    return f"{METHODS[method].label} {variant}".strip()


def colour(arm: str) -> str:
    """An arm has its method's colour; its label tells it from the method's other arms."""
    return METHODS[arm.partition("+")[0]].colour


def arm_order(arm: str) -> tuple[int, str]:
    """Sorts arms by their method's place in METHODS."""
    method, _, variant = arm.partition("+")
    return list(METHODS).index(method), variant
