"""FIDELITY: every choice of the authors, with its source, beside ours: same, or differs because.

The authors' values are those of their slides and of their code, karangrewal/mixing-generator-data;
where they are silent the row says "not stated". Ours are read from a run's configuration, and from
the networks that it builds, so no row can say what a run does not do. ``vral ls fidelity`` shows
the rows for the experiments as they stand; ``page`` writes them for the published studies.

The studies of ``vral.dynamics`` are in no row, as they are none of EXPERIMENTS. Most train nothing
of the authors'. ``score-game`` does: it builds its networks and its held G from a configuration,
but trains D, R and F by a loop of its own, at rates, penalties and numbers of steps that its grid
gives each cell. No configuration holds these, so rows read from it would say what no cell does.
``dynamics.score_map`` says where it parts from the authors.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vral.data.datasets import DATASETS
from vral.errors import ConfigError
from vral.files import write_bytes
from vral.games.fused import FusedGan, FusedMetaGan
from vral.nets.norm import BatchStatisticsNorm
from vral.optim.rules import RULES, name_of
from vral.optim.transforms import Transform
from vral.study import frames
from vral.study.build import build_gan, build_side, build_transform
from vral.study.config import RunConfig, resolve, with_defaults
from vral.study.earlier import definition_of
from vral.study.experiments import EXPERIMENTS
from vral.study.methods import METHODS, arm_name

CODE = "code, 0e595f3 (HEAD, 22 Jan 2018)"
LASAGNE = "defaults of Lasagne, in force in the code"
SLIDES = "slides"
HJELM = "Hjelm's port in cortex, 2018"
SILENT = "not stated"
"""The authors' value where no source names one."""

SAME = "same"
BECAUSE = "differs because "
"""How a reason begins."""


@dataclass(frozen=True)
class Choice:
    """One choice of the authors, and what became of it here."""

    authors: str
    """Theirs, in words; MNIST's first where data sets differ."""
    source: str
    """Where that stands."""
    fields: tuple[str, ...]
    """The fields of RunConfig that decide ours; none where no setting does."""
    read: Callable[[RunConfig], str | None]
    """Ours in a run, in words; None where the choice does not arise."""
    theirs: tuple[str, ...]
    """What ``read`` gives of a run that does as the authors did, on MNIST."""
    ours: Mapping[str, str]
    """Every value of ours to "same" or "differs because …"; ANY stands for all that have no key."""

    def verdict(self, value: str) -> str:
        """What ``value``, which ``read`` gave, is: "same", or "differs because …"."""
        return self.ours.get(value, self.ours.get(ANY, "differs; no reason is given"))


ANY = "any other"


def _gan(config: RunConfig) -> FusedGan:
    """The game of a run, with parameters that have shapes and no values."""
    apart = {"seeds": (0,), "rounds": 1, "ratio": "1", "record_every": 0, "probe_every": 0}
    # A frozen model has a hash, of which its type says nothing.
    return _built(config.model_copy(update={**apart, "variant": ""}))  # pyright: ignore[reportArgumentType]


@lru_cache(maxsize=256)
def _built(config: RunConfig) -> FusedGan:
    row = DATASETS[config.dataset]
    with torch.device("meta"):
        return build_gan(config, row.shape, row.output)


def _parts(network: nn.Module, *kinds: type[nn.Module]) -> list[Any]:
    return [part for part in network.modules() if isinstance(part, kinds)]


def _slopes(config: RunConfig) -> str:
    slopes = {part.negative_slope for part in _parts(_gan(config).discriminator, nn.LeakyReLU)}
    return ", ".join(f"LeakyReLU {slope:g}" for slope in sorted(slopes))


def _g_activations(config: RunConfig) -> str:
    kinds = (nn.ReLU, nn.Sigmoid, nn.Tanh, nn.Identity)
    names = [type(part).__name__ for part in _parts(_gan(config).generator, *kinds)]
    return ", ".join(dict.fromkeys(names)) or "none"


def _norm_form(config: RunConfig) -> str | None:
    """What a norm does, where a network has one."""
    gan, forms = _gan(config), set()
    for stage in _parts(nn.ModuleList([gan.generator, gan.discriminator]), nn.Sequential):
        for before, norm in zip(stage, list(stage)[1:], strict=False):
            if isinstance(norm, BatchStatisticsNorm):
                bias = "no bias" if before.bias is None else "a bias"
                forms.add(f"of the batch at hand, ε {norm.eps:g}, before the activation, {bias}")
            elif isinstance(norm, nn.GroupNorm):
                forms.add("of groups of units")
    return "; ".join(sorted(forms)) or None


def _initial(config: RunConfig) -> str:
    generator = _gan(config).generator
    orthogonal = generator.orthogonal_deconvolutions and _parts(generator, nn.ConvTranspose2d)
    return "Glorot uniform, biases 0" + ", G's deconvolutions orthogonal" * bool(orthogonal)


def _latent_law(config: RunConfig) -> str | None:
    noise = _gan(config).needs["G"]["latent"]
    return noise and f"{noise.law}, mean {noise.mean:g}, variance 1"


def _meta_network(config: RunConfig) -> str | None:
    gan = _gan(config)
    if not isinstance(gan, FusedMetaGan):
        return None
    first, last = _parts(gan.meta.network, nn.Linear)
    return f"{first.in_features} → {first.out_features} ReLU → {last.out_features}"


def _transforms(config: RunConfig, *players: str) -> list[Transform]:
    playing = ("D", "G", "R", "F") if _meta(config) else ("D", "G")
    return [build_transform(config, player) for player in players if player in playing]


def _rule(config: RunConfig) -> str:
    names = dict.fromkeys(type(t).__name__ for t in _transforms(config, "D", "G", "F"))
    solver = name_of(config.rule)
    return ", ".join([*([solver] if solver in RULES else []), *names])


def _of_transforms(name: str, *players: str) -> Callable[[RunConfig], str | None]:
    """Reads a setting of the transforms that these players follow; None where none has it."""

    def read(config: RunConfig) -> str | None:
        found = [getattr(t, name, None) for t in _transforms(config, *players)]
        return ", ".join(f"{v:g}" for v in dict.fromkeys(found) if v is not None) or None

    return read


def _when(condition: Callable[[RunConfig], Any], text: Callable[[RunConfig], str]) -> Any:
    return lambda config: text(config) if condition(config) else None


def _vral(config: RunConfig) -> bool:
    return config.objective in ("meta", "parzen") or config.moment_penalty > 0


def _trained(config: RunConfig) -> bool:
    return config.generator == "trained"


def _meta(config: RunConfig) -> bool:
    return config.objective == "meta"


def _moves(config: RunConfig) -> str:
    """Moves of F, R, D and G in a round at k:1."""
    k = 997  # No number of steps of R and F is near it.
    side = build_side(config, _gan(config))(k)
    counts = [sum(player in move for move in side) for player in ("F", "R", "D")]
    words = [f"{n // k if n > k else ''}k" if n % k == 0 else str(n) for n in counts]
    return ":".join([*words, "1"])


def _real_batch(config: RunConfig) -> str:
    if config.real_batch == "fresh":
        return "new for every D update" + ", R has its own" * _meta(config)
    others = _meta(config) or config.gradient_penalty > 0
    return "one for all of a round" + ", of VRAL or WGAN-GP" * others


def _penalty_place(config: RunConfig) -> str | None:
    if config.legacy_gp:
        return "at x, one ε a batch"
    return "at x̂, one ε a sample" if config.gradient_penalty else None


def _critic(config: RunConfig) -> bool:
    return config.objective == "wgan"


CONTROL = BECAUSE + "it is a control that the authors did not run"
PLANE = BECAUSE + "claims on the plane (T8) are those of Mescheder et al. 2018"
FAST = BECAUSE + "one arm asks what VRAL does with R and F near their optimum: fast and damped"
TUNED = BECAUSE + "tuning tries eleven settings or more for every arm"
FEWER = (
    BECAUSE
    + "each study trains five seeds or more of every method on two cores; some G's were left near "
    "noise by it, as the published README says of each"
)
SMALL_Z = BECAUSE + "digits of 8×8 pixels and points have fewer dimensions"

FIDELITY: dict[str, Choice] = {
    "method": Choice(
        "Standard, -log D, LSGAN, WGAN, VRAL meta, VRAL Parzen; in the code also WGAN-GP and BGAN",
        f"{SLIDES} R3 and R4; {CODE}",
        ("method",),
        lambda c: c.method,
        (
            *("standard", "nonsaturating", "lsgan", "wgan", "wgan-gp", "bgan"),
            *("vral-meta", "vral-parzen", "vral-parzen-h1", "vral-parzen-backward"),
        ),
        {
            **dict.fromkeys(("standard", "nonsaturating", "lsgan", "wgan", "wgan-gp"), SAME),
            **dict.fromkeys(("bgan", "vral-meta", "vral-parzen"), SAME),
            **dict.fromkeys(("vral-parzen-h1", "vral-parzen-backward"), SAME),
            "vral-meta-10": BECAUSE + "with one step of R and F a D update they are far from their "
            "optimum",
            **dict.fromkeys(("moment", "lsgan-01", "hinge", "r1", "r2", "r3gan"), CONTROL),
        },
    ),
    "data set": Choice(
        "MNIST, CIFAR-10, CelebA 64×64, LSUN 64×64; that of the result slides is not stated",
        CODE,
        ("dataset",),
        lambda c: c.dataset,
        ("mnist",),
        {
            "mnist": SAME,
            "digits": BECAUSE + "a study of 8×8 images takes minutes to hours on two cores",
            "segments": BECAUSE + "on disjoint segments a perfect classifier exists",
            **dict.fromkeys(
                ("ring", "grid", "stacked-digits"), BECAUSE + "their modes can be counted"
            ),
            **dict.fromkeys(("gaussian", "line", "circle", "four-lines"), PLANE),
        },
    ),
    "training samples": Choice(
        "the training split (MNIST 60,000); before 27 July 2017 MNIST's test split too",
        CODE,
        ("dataset",),
        lambda c: f"{DATASETS[c.dataset].size:,}",
        ("60,000",),
        {
            "60,000": SAME,
            "1,437": BECAUSE + "the data set has 1,797 images, of which 360 are held out",
            "20,000": BECAUSE + "points and stacks are drawn from their law",
        },
    ),
    "readings are taken on": Choice(
        "training data: gradients on the batch of the update, after it; D's outputs on all images",
        CODE,
        (),
        lambda c: "held-out data, and training batches before the update",
        (),
        {
            "held-out data, and training batches before the update": BECAUSE
            + "D's scores of images that it was trained on show what it remembers"
        },
    ),
    "readings": Choice(
        "gradients at every D update; D's outputs once in 937 updates of G",
        CODE,
        ("record_every", "probe_every"),
        lambda c: "every D update" if c.recorded_every == 1 else "every n-th D update",
        ("every D update",),
        {
            "every D update": SAME,
            "every n-th D update": BECAUSE + "some 10,000 readings a run draw every curve",
        },
    ),
    "costlier readings": Choice(
        "D along segments after each of 20 epochs: γ from -0.50 to 1.49 by 0.01, one batch of 64 "
        "with the nearest of 32 fakes, or random pairs",
        f"{CODE}, the gamma scripts",
        ("probe",),
        lambda c: None if c.probe == "none" else c.probe,
        (),
        {
            "interpolation": BECAUSE + "they are taken once, at the end, on held-out samples, for "
            "random and nearest pairs alike",
            "usefulness": BECAUSE + "the authors took no reading of where the signal points",
        },
    ),
    "range of samples": Choice(
        "MNIST [0, 1]; CIFAR-10 and CelebA [-1, 1]",
        CODE,
        ("dataset",),
        lambda c: {"unit": "[0, 1]", "symmetric": "[-1, 1]", "real": "as they are"}[
            DATASETS[c.dataset].output
        ],
        ("[0, 1]",),
        {"[0, 1]": SAME, "as they are": BECAUSE + "points in the plane have no range"},
    ),
    "networks": Choice(
        "MNIST: D conv5 s2 64, conv5 s2 128, dense 1024, dense 1; G dense 1024, dense 6272, "
        "deconv5 s2 64, deconv5 s2 1; a smaller pair (8, 8, dense 128) was defined, not used. "
        "CIFAR-10: D conv4 s2 128, 256, 512, dense 1; G dense 8192, deconv4 s2 256, 128, 3; "
        "VRAL at HEAD half as wide. CelebA: one stage more, to 1024. LSUN: D conv4 s2 64, "
        "conv5 s2 128, dense 1024, dense 1 tanh; G as CelebA's",
        CODE,
        ("network", "width"),
        lambda c: f"{c.network} {c.width}",
        ("mnist-conv 64",),
        {
            "mnist-conv 64": SAME,
            "mlp 256": BECAUSE + "the authors' pair takes a third of a second a D update on one "
            "core, which five seeds at 50:1 do not allow",
            "mlp 64": BECAUSE + "images of 8×8 pixels are too small for their convolutions",
            "mlp 128": BECAUSE + "points are no images",
            "mlp 16": BECAUSE + "points are no images",
            "segment 128": BECAUSE + "points are no images, and G is the segment itself",
        },
    ),
    "D's activation": Choice(
        "MNIST LeakyReLU 0.01; CIFAR-10, CelebA 0.02; CIFAR-10 at v1 0.2",
        CODE,
        ("network",),
        _slopes,
        ("LeakyReLU 0.01",),
        {
            "LeakyReLU 0.01": SAME,
            "LeakyReLU 0.2": BECAUSE + "the MLP is ours; the authors' pair, --network mnist-conv, "
            "has their slope",
        },
    ),
    "G's activations": Choice(
        "ReLU; MNIST sigmoid, CIFAR-10 and CelebA tanh, LSUN ReLU",
        CODE,
        ("network", "dataset"),
        _g_activations,
        ("ReLU, Sigmoid",),
        {
            "ReLU, Sigmoid": SAME,
            "ReLU, Identity": BECAUSE + "points in the plane have no range",
            "none": BECAUSE + "G is the segment itself",
        },
    ),
    "norm in G": Choice(
        "batch norm in every hidden layer; its flag was swept (none, D, G, both), and the "
        "committed ones differ from method to method",
        CODE,
        ("norm_g",),
        lambda c: c.norm_g if c.network != "segment" else None,
        ("batch",),
        {
            "batch": SAME,
            "none": BECAUSE
            + "it was overlooked at first, for which the studies of MNIST were withdrawn and the "
            "stacked digits are to be run again; batch-norm asks on purpose what it changes, and "
            "points are no images",
        },
    ),
    "norm in D": Choice(
        "MNIST: batch norm in both convolutions from 28 July 2017, at arXiv v1 for VRAL alone; "
        "CIFAR-10, CelebA: from the second convolution on; its flag was swept (none, D, G, both)",
        CODE,
        ("norm_d",),
        lambda c: c.norm_d,
        ("batch",),
        {
            "batch": SAME,
            "none": BECAUSE + "with batch norm ‖∇D(x)‖ depends on the other samples of the batch",
            "spectral": CONTROL,
        },
    ),
    "form of the norm": Choice(
        "of the batch at hand, at measurement too; ε 1e-4; before the activation, and no bias",
        f"{LASAGNE}; {CODE}",
        ("norm_g", "norm_d"),
        _norm_form,
        ("of the batch at hand, ε 0.0001, before the activation, no bias",),
        {"of the batch at hand, ε 0.0001, before the activation, no bias": SAME},
    ),
    "initial weights": Choice(
        "Glorot uniform with gain 1, biases 0; MNIST's deconvolutions orthogonal",
        f"{LASAGNE}; {CODE}",
        ("network",),
        _initial,
        ("Glorot uniform, biases 0", "Glorot uniform, biases 0, G's deconvolutions orthogonal"),
        {
            "Glorot uniform, biases 0": SAME,
            "Glorot uniform, biases 0, G's deconvolutions orthogonal": SAME,
        },
    ),
    "size of z": Choice(
        "MNIST 100; CIFAR-10, CelebA, LSUN 128; CIFAR-10 at v1 100",
        CODE,
        ("latent",),
        lambda c: str(c.latent),
        ("100",),
        {"100": SAME, "16": SMALL_Z, "1": BECAUSE + "a segment has one dimension"},
    ),
    "law of z": Choice(
        "N(0, I)",
        CODE,
        (),
        _latent_law,
        ("normal, mean 0, variance 1",),
        {"normal, mean 0, variance 1": SAME},
    ),
    "update rule": Choice(
        "Adam, each player on its own loss",
        CODE,
        ("rule", "transform", "rule_d", "rule_g", "rule_meta"),
        _rule,
        ("Adam",),
        {"Adam": SAME, "RmsProp": PLANE},
    ),
    "lr of D and G": Choice(
        "1e-4; 5e-3 in the first ten days",
        CODE,
        ("lr", "rule", "transform", "rule_d", "rule_g"),
        _of_transforms("lr", "D", "G"),
        ("0.0001",),
        {
            "0.001": BECAUSE + "a study makes thousands of G updates where theirs made tens of "
            "thousands",
            "0.0001": SAME,
            "0.0005": f"{PLANE}; {TUNED.removeprefix(BECAUSE)}",
            "0.0001, 0.001": FAST,
            **dict.fromkeys(
                ("0.0002", "0.0003", "0.002", "0.003", "0.005", "0.01", "0.02", "0.03"), TUNED
            ),
        },
    ),
    "lr of R and F": Choice(
        "1e-4",
        CODE,
        ("lr", "rule", "transform", "rule_meta"),
        _of_transforms("lr", "R", "F"),
        ("0.0001",),
        {
            "0.001": BECAUSE + "all players have one rate, and D's and G's is ten times theirs",
            "0.0003": TUNED,
            "0.003": TUNED,
            "0.01": TUNED,
        },
    ),
    "β₁": Choice(
        "MNIST, LSUN and the interpolation scripts 0.5; CIFAR-10 and CelebA in training 0.1; 0.9 "
        "in the first ten days",
        CODE,
        ("rule", "transform", "rule_d", "rule_g", "rule_meta"),
        _of_transforms("beta1", "D", "G", "R", "F"),
        ("0.5",),
        {"0.5": SAME},
    ),
    "β₂": Choice(
        "0.999",
        CODE,
        ("rule", "transform", "rule_d", "rule_g", "rule_meta"),
        _of_transforms("beta2", "D", "G", "R", "F"),
        ("0.999",),
        {"0.999": SAME},
    ),
    "ε of the rule": Choice(
        "3e-6, R's and F's too",
        CODE,
        ("rule", "transform", "rule_d", "rule_g", "rule_meta"),
        _of_transforms("eps", "D", "G", "R", "F"),
        ("3e-06",),
        {
            "3e-06": SAME,
            "1e-08": BECAUSE + "3e-6 is unusually large, and gradients below ε count as vanished",
            "3e-06, 1e-08": FAST,
        },
    ),
    "where Adam adds ε": Choice(
        "to the root of the uncorrected mean square",
        LASAGNE,
        (),
        lambda c: "to the corrected root" if "Adam" in _rule(c) else None,
        ("to the uncorrected root",),
        {
            "to the corrected root": BECAUSE + "it is PyTorch's form; with β₂ 0.999 the two part "
            "in the first thousands of updates alone"
        },
    ),
    "weight decay and such": Choice(
        "no weight decay, schedule of the learning rate, label smoothing or augmentation",
        CODE,
        (),
        lambda c: "none of these",
        ("none of these",),
        {"none of these": SAME},
    ),
    "batch": Choice(
        "64; 32 in the first ten days",
        CODE,
        ("batch",),
        lambda c: str(c.batch),
        ("64",),
        {"64": SAME, "128": PLANE},
    ),
    "D:G ratio": Choice(
        "1:1 and 50:1; also 5, 10, 20 and 25; CIFAR-10's and CelebA's WGAN 5:1",
        f"{SLIDES} R1 to R5; {CODE}",
        ("ratio",),
        _when(_trained, lambda c: c.ratio),
        ("1", "5", "10", "20", "25", "50"),
        {
            **dict.fromkeys(("1", "5", "10", "20", "25", "50"), SAME),
            **dict.fromkeys(("2", "100"), BECAUSE + "the curve over ratios needs more of them"),
        },
    ),
    "F:R:D:G in a round": Choice(
        "k:k:k:1 from 29 July 2017; 1:1:k:1 from 18 to 28 July",
        CODE,
        ("meta_schedule", "meta_steps"),
        _when(_meta, _moves),
        ("k:k:k:1", "1:1:k:1"),
        {
            "k:k:k:1": SAME,
            "1:1:k:1": SAME,
            "10k:10k:k:1": BECAUSE + "ten steps keep R and F near their optimum",
        },
    ),
    "who moves first": Choice(
        "D, then G; of F, R and D in that order",
        CODE,
        ("play",),
        lambda c: c.play,
        ("D-first",),
        {"D-first": SAME},
    ),
    "real batch": Choice(
        "a new one for every D update, which R and D share; at arXiv v1 Standard and WGAN had one "
        "for all k updates of a round",
        CODE,
        ("real_batch",),
        _real_batch,
        ("new for every D update", "one for all of a round"),
        {
            "new for every D update": SAME,
            "new for every D update, R has its own": BECAUSE + "every move has a draw of its own",
            "one for all of a round": SAME,
            "one for all of a round, of VRAL or WGAN-GP": BECAUSE + "the study tries their defect "
            "on methods that did not have it",
        },
    ),
    "how batches are drawn": Choice(
        "the first k batches of a new shuffle for each G update",
        CODE,
        (),
        lambda c: "uniformly, with replacement",
        ("the first of a shuffle",),
        {
            "uniformly, with replacement": BECAUSE + "every update is then drawn by itself, from "
            "its seed alone"
        },
    ),
    "G updates": Choice(
        "MNIST 32,795 (VRAL meta, Standard, -log D, BGAN), 28,110 (LSGAN, WGAN), 37,480 (WGAN-GP), "
        "56,220 (Parzen), 18,740 (interpolation); CIFAR-10 27,335 to 78,100; CelebA 152,580 to "
        "254,300",
        f"{CODE}: 35, 30, 40, 60 and 20 epochs of 937; 35 to 100 of 781; 60 and 100 of 2,543",
        ("rounds",),
        _when(_trained, lambda c: f"{c.rounds:,}"),
        ("32,795", "28,110", "37,480", "56,220", "18,740"),
        {
            "50,000": BECAUSE + "at 1:1 this gives D as many updates as 1,000 at 50:1",
            ANY: FEWER,
        },
    ),
    "G when it is held": Choice(
        "after 4,685 updates of LSGAN (-1, +1) at 1:1, batch norm in both",
        f"{CODE}, comparison.py",
        ("generator", "warmup"),
        _when(lambda c: not _trained(c), lambda c: f"after {c.warmup} updates of LSGAN at 1:1"),
        ("after 4685 updates of LSGAN at 1:1",),
        {
            "after 0 updates of LSGAN at 1:1": BECAUSE + "the segment stands where it is wanted",
            ANY: FEWER,
        },
    ),
    "D updates, G held": Choice(
        "56,220",
        f"{CODE}, comparison.py: 60 epochs of 937",
        ("rounds", "ratio"),
        _when(lambda c: not _trained(c), lambda c: f"{c.rounds * int(c.ratio):,}"),
        ("56,220",),
        {ANY: BECAUSE + "the warm-up is shorter too; theirs had a twelfth of D's updates"},
    ),
    "seeds": Choice(
        "one run each",
        CODE,
        ("seeds",),
        lambda c: str(len(c.seeds)),
        ("1",),
        {
            "5": BECAUSE + "an interval over seeds needs several",
            "10": BECAUSE + "an interval over seeds needs several, and points cost little",
        },
    ),
    "D's loss": Choice(
        "Standard and -log D: E sp(-y_r) + E sp(y_f); LSGAN with codes -1 and +1; WGAN; VRAL meta: "
        "E sp(-F(y_f)) + E sp(-R(y_r)); VRAL Parzen: a KL",
        CODE,
        ("objective",),
        lambda c: c.objective,
        ("standard", "nonsaturating", "lsgan", "wgan", "bgan", "meta", "parzen"),
        {
            **dict.fromkeys(("standard", "nonsaturating", "lsgan", "wgan"), SAME),
            **dict.fromkeys(("bgan", "meta", "parzen"), SAME),
            **dict.fromkeys(("lsgan-01", "hinge", "relativistic", "none"), CONTROL),
        },
    ),
    "G's loss under VRAL": Choice(
        "meta: ½E(y_f-1)², in the slides without ½ or (E y_f - E y_r)²; Parzen: ½E(y_f-1)² until "
        "16 July 2017, ½(E y_f - E y_r)² from 28 July",
        f"{CODE}; {SLIDES}",
        ("g_objective",),
        lambda c: None if c.g_objective == "own" else f"{c.objective}, {c.g_objective}",
        ("meta, target", "parzen, mean"),
        {
            "meta, target": SAME,
            "parzen, mean": SAME,
            "meta, mean": BECAUSE + "the slides offer it; the first code never used it with R and "
            "F, Hjelm's port does",
            "parzen, target": BECAUSE + "it is the form of 12 to 16 July 2017, which lets both "
            "forms of VRAL give G one loss",
            "none, target": CONTROL,
            "none, mean": CONTROL,
        },
    ),
    "D against R and F": Choice(
        "non-saturating, the default everywhere; in the slides minimax",
        f"{CODE}; {SLIDES}",
        ("meta_game",),
        _when(_meta, lambda c: c.meta_game),
        ("nonsaturating", "minimax"),
        {"nonsaturating": SAME, "minimax": SAME},
    ),
    "targets of VRAL": Choice(
        "N(0, 1) for fakes, N(1, 1) for reals in the slides and on MNIST; N(-1, 1) and N(1, 1) on "
        "CelebA, and on CIFAR-10 at HEAD",
        f"{SLIDES}; {CODE}",
        ("mean_fake", "mean_real"),
        _when(_vral, lambda c: f"N({c.mean_fake:g}, 1), N({c.mean_real:g}, 1)"),
        ("N(0, 1), N(1, 1)",),
        {
            "N(0, 1), N(1, 1)": SAME,
            "N(-1, 1), N(1, 1)": BECAUSE + "the study tries CelebA's means, one change at a time",
        },
    ),
    "R and F": Choice(
        "1 → 28 ReLU → 1, one score at a time, until 29 August 2017; then 64 → 28 ReLU → 1, a "
        "batch of scores as one vector",
        f"{CODE}; per score in the formulas of the slides",
        ("meta_input", "meta_width"),
        _meta_network,
        ("1 → 28 ReLU → 1", "64 → 28 ReLU → 1"),
        {"1 → 28 ReLU → 1": SAME, "64 → 28 ReLU → 1": SAME, "1 → 128 ReLU → 1": FAST},
    ),
    "penalty on R and F": Choice(
        f"none; in {HJELM}, 10 on R (January) and zero-centred 2.0 on both (May)",
        f"{CODE}; {HJELM}",
        ("meta_penalty",),
        _when(_meta, lambda c: f"{c.meta_penalty:g}"),
        ("0",),
        {"0": SAME, "1": FAST},
    ),
    "Parzen window's KL": Choice(
        "forward, KL(N‖p), and backward, KL(p‖N)",
        CODE,
        ("parzen_kl",),
        _when(lambda c: c.objective == "parzen", lambda c: c.parzen_kl),
        ("forward", "backward"),
        {"forward": SAME, "backward": SAME},
    ),
    "bandwidth": Choice(
        "1, always",
        CODE,
        ("bandwidth",),
        _when(lambda c: c.objective == "parzen", lambda c: f"{c.bandwidth:g}"),
        ("1",),
        {
            "1": SAME,
            "0.3": BECAUSE
            + "at 1 the forward KL asks D for no variance at all: the optimum is 1-h²",
            ANY: BECAUSE + "the study follows D's variance over bandwidths",
        },
    ),
    "WGAN's clipping limit": Choice(
        "0.1 on MNIST at HEAD; 0.01 in July 2017, on CIFAR-10 and CelebA",
        CODE,
        ("clip",),
        _when(lambda c: _critic(c) and c.clip, lambda c: f"{c.clip:g}"),
        ("0.1", "0.01"),
        {"0.1": SAME, "0.01": SAME},
    ),
    "what is clipped": Choice(
        "everything from 28 July 2017, Adam's state too (a defect); before that weights alone",
        CODE,
        ("clip_scope",),
        _when(lambda c: c.clip, lambda c: c.clip_scope),
        ("everything",),
        {
            "everything": SAME,
            "weights": BECAUSE + "clipping Adam's moments and count is a defect",
        },
    ),
    "WGAN-GP's weight": Choice(
        "10",
        CODE,
        ("gradient_penalty", "legacy_gp"),
        _when(_penalty_place, lambda c: f"{c.gradient_penalty or c.legacy_gp:g}"),
        ("10",),
        {"10": SAME, "1": PLANE},
    ),
    "place of that penalty": Choice(
        "gradient at x instead of x̂, one ε for a batch (defects)",
        CODE,
        ("gradient_penalty", "legacy_gp"),
        _penalty_place,
        ("at x, one ε a batch",),
        {
            "at x̂, one ε a sample": BECAUSE + "theirs asks for a norm of 1/ε instead of 1",
            "at x, one ε a batch": SAME,
        },
    ),
    "R1 and R2 on D": Choice(
        f"none; in {HJELM}, from 5 February",
        f"{CODE}; {HJELM}",
        ("r1", "r2"),
        lambda c: f"{c.r1:g} on reals, {c.r2:g} on fakes",
        ("0 on reals, 0 on fakes",),
        {
            "0 on reals, 0 on fakes": SAME,
            "1 on reals, 0 on fakes": CONTROL,
            "1 on reals, 1 on fakes": CONTROL,
            "0.1 on reals, 0 on fakes": TUNED,
            "10 on reals, 0 on fakes": PLANE,
            "0 on reals, 10 on fakes": PLANE,
        },
    ),
    "penalty on D's moments": Choice(
        f"none; in {HJELM}, a penalty on both variances (January)",
        f"{CODE}; {HJELM}",
        ("moment_penalty",),
        lambda c: f"{c.moment_penalty:g}",
        ("0",),
        {"0": SAME, "0.1": TUNED, "1": CONTROL, "10": TUNED},
    ),
    "noise in D": Choice(
        "in the slides an alternative; in no commit of the code",
        f"{SLIDES}; {CODE}",
        ("hidden_noise", "instance_noise"),
        lambda c: f"sd {c.hidden_noise:g} on layers, {c.instance_noise:g} on the input",
        ("sd 0 on layers, 0 on the input",),
        {
            "sd 0 on layers, 0 on the input": SAME,
            **{
                f"sd {on_layers} on layers, {on_input} on the input": BECAUSE
                + "C11 tests the slide, whose sd is not stated"
                for on_layers, on_input in (("0.1", "0"), ("0.3", "0"), ("0", "0.1"), ("0", "0.3"))
            },
        },
    ),
    "average of G": Choice(
        "none",
        CODE,
        ("ema_g",),
        lambda c: f"β = {c.ema_g:g}" if c.ema_g else "none",
        ("none",),
        {"none": SAME, "β = 0.99": CONTROL},
    ),
    "precision": Choice(
        SILENT,
        SILENT,
        ("precision",),
        lambda c: c.precision,
        (),
        {"float32": SILENT},
    ),
}

NAMES = ("variant",)
"""Fields of RunConfig that name a run and change nothing that it computes."""


@dataclass(frozen=True)
class Entry:
    """One value of ours in one row of FIDELITY."""

    setting: str
    ours: str
    studies: tuple[str, ...]
    """The studies that have it, in their order."""

    @property
    def choice(self) -> Choice:
        """Its row."""
        return FIDELITY[self.setting]

    @property
    def verdict(self) -> str:
        """Its standing: "same", "differs because …", or "not stated"."""
        return self.choice.verdict(self.ours)


Studies = Mapping[str, Sequence[RunConfig]]
"""The name of a study to the configurations of its runs."""


def entries(studies: Studies) -> list[Entry]:
    """Every value that a row of FIDELITY takes in ``studies``, in the order of the rows."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for setting, choice in FIDELITY.items():
        for study, configs in studies.items():
            for value in dict.fromkeys(map(choice.read, configs)):
                if value is not None:
                    found.setdefault((setting, value), {})[study] = None
    return [Entry(setting, value, tuple(names)) for (setting, value), names in found.items()]


def experiment_configs(name: str) -> list[RunConfig]:
    """The configurations of an experiment as it stands, with the seeds that it takes."""
    row = EXPERIMENTS[name]
    return [
        row.config(arm, ratio, dataset, seeds=tuple(range(row.seeds_on(dataset))))
        for dataset in row.datasets
        for arm, ratio in row.cells()
    ]


def experiments() -> dict[str, list[RunConfig]]:
    """The configurations of all EXPERIMENTS."""
    return {name: experiment_configs(name) for name in EXPERIMENTS}


def published(folder: Path) -> dict[str, list[RunConfig]]:
    """The configurations of the studies over seeds that are published in ``folder``.

    Those of ``vral publish`` have run.json files; earlier ones an about.json.
    """
    found = {}
    for path in sorted(folder.glob("*/about.json")):
        about = json.loads(path.read_text(encoding="utf-8"))
        if about["experiment"] in EXPERIMENTS:
            found[path.parent.name] = published_configs(about)
    for path in sorted(folder.glob("*/study.json")):
        configs = [with_defaults(report["config"]) for _, report in frames.runs(path.parent)]
        if configs:
            found[path.parent.name] = [RunConfig(**config) for config in configs]
    return dict(sorted(found.items()))


def published_configs(about: Mapping[str, Any]) -> list[RunConfig]:
    """The configurations of the runs that an about.json names.

    It holds the settings of the first run, and method, variant, ratio, rounds and seeds of all.
    Their other settings are the first run's, except where a method or an arm has its own, by the
    definition that the study was made with. Raises ConfigError for an arm that this does not have.
    """
    arms = {arm.name: arm for arm in definition_of(about).arms}

    def own(run: Mapping[str, Any]) -> dict[str, Any]:
        name = arm_name(run["method"], run.get("variant", ""))
        if name not in arms:
            raise ConfigError(
                f"{about['experiment']}: the published arm {name} is none of its arms"
            )
        return {**METHODS[run["method"]].settings, **arms[name].settings}

    first = with_defaults(about["settings_of_the_first_run"])
    left_to_each = {*own(first), "record_every", "probe_every"}
    shared = {name: value for name, value in first.items() if name not in left_to_each}
    return [
        resolve(
            run["method"],
            {
                **shared,
                **own(run),
                **{name: run[name] for name in ("ratio", "rounds", "seeds", "variant")},
            },
        )
        for run in about["runs"]
    ]


def as_markdown(studies: Studies) -> str:
    """A table with a line per value of ours; the authors' stands beside the first of a row."""
    lines = ["| setting | authors | source | ours | in | |", "|---|---|---|---|---|---|"]
    last = ""
    for entry in entries(studies):
        choice, again = entry.choice, entry.setting == last
        theirs = ("", "", "") if again else (f"**{entry.setting}**", choice.authors, choice.source)
        cells = (*theirs, entry.ours, listed(entry.studies, list(studies)), entry.verdict)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        last = entry.setting
    return "\n".join(lines)


def listed(some: Sequence[str], every: Sequence[str]) -> str:
    """The names of ``some``, or the few that are missing for ``every`` to be there.

    An experiment that is there on all its data sets is named once, as "toy2d-*".
    """
    missing = [name for name in every if name not in some]
    if len(missing) >= len(some):
        return _folded(some, every)
    return f"all but {_folded(missing, every)}" if missing else "all"


def _folded(some: Sequence[str], every: Sequence[str]) -> str:
    names = list(some)
    for experiment in EXPERIMENTS:
        of_it = [name for name in every if name.startswith(f"{experiment}-")]
        if len(of_it) > 1 and set(of_it) <= set(names):
            names = [name for name in names if name not in of_it[1:]]
            names[names.index(of_it[0])] = f"{experiment}-*"
    return ", ".join(names)


PREFACE = """# The authors' choices and ours

The authors' values are those of their slides and their code (karangrewal/mixing-generator-data);
MNIST's come first. Ours are read from the settings of the published studies, and of the experiment
`deck` as it stands. A row says *same*, or why it differs, or that no source states the authors'.
Studies that are [withdrawn](README.md) stand here for the record; `toy2d-*` is all of toy2d.
`vral ls fidelity` shows the same of all experiments. This page was written by

```
python -c "from vral.study.fidelity import write; write('runs/published')"
```
"""


def page(folder: Path) -> str:
    """The page on the published studies in ``folder`` and on the experiment ``deck``."""
    studies = published(folder) | {"deck": experiment_configs("deck")}
    return f"{PREFACE}\n{as_markdown(studies)}\n"


def write(folder: str) -> None:
    """Write ``page`` of the published studies in ``folder`` to fidelity.md there."""
    write_bytes(Path(folder) / "fidelity.md", page(Path(folder)).encode())
