"""RunConfig: everything that decides what a run computes.

One flat frozen model is the configuration file, its documentation and, through
``vral.cli.options``, the command line. Where a run computes (device, threads, folders) is not
part of it.
"""

# Choices are read from tables, which a type checker cannot follow.
# pyright: reportInvalidTypeForm=false

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from vral.data.datasets import DATASETS
from vral.errors import ConfigError, shown
from vral.nets import D_NORMS, NETWORKS, NORMS
from vral.objectives import EVERY
from vral.optim.rules import name_of, player_text, rule_names, rule_text, transform_text
from vral.optim.transforms import TRANSFORMS
from vral.penalties import PENALTIES
from vral.study.methods import METHODS, arm_name
from vral.study.upgrade import flat, upgrade
from vral.train.schedule import PLAYS, Ratio
from vral.train.step import PRECISIONS

MOST_SEEDS = 1000
SEEDS_BELOW = 10**9
MOST_ROUNDS = 10**9
"""Far more than any machine trains; whatever is counted from it fits in 64 bits."""
MOST_UNITS = 2**16
"""Width of a layer of which one matrix takes 16 GiB."""


def seeds_of(value: Any) -> Any:
    """The seeds that a text lists, as "0-4" or "0,2,5"; what is no text as it is.

    Raises ValueError saying what is allowed.
    """
    if not isinstance(value, str):
        return value
    pieces = [re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", piece) for piece in value.split(",")]
    seeds: list[int] = []
    for piece in pieces:
        if piece is not None:
            low, high = int(piece[1]), int(piece[2] or piece[1])
            seeds += range(low, high + 1)[: MOST_SEEDS + 1]
    if None in pieces or not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(
            "allowed: a seed below 10⁹ (3), a range (0-4) or a list without repeats (0,2,5)"
        )
    if len(seeds) > MOST_SEEDS or len(value) > 100:
        raise ValueError(
            f"allowed: at most {MOST_SEEDS} seeds in one run, written in 100 characters"
        )
    return tuple(seeds)


def _ratio(value: Any) -> str:
    return str(Ratio.parse(str(value)))


def _text(canonical: Callable[[str], str]) -> Callable[[Any], Any]:
    """The canonical text of a rule; what is no text is left for pydantic to refuse."""
    return lambda value: canonical(value) if isinstance(value, str) else value


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Rounds = Annotated[int, Field(ge=0, le=MOST_ROUNDS)]
Units = Annotated[int, Field(ge=1, le=MOST_UNITS)]
Norm = Literal[*NORMS]
PlayerRule = Annotated[str, BeforeValidator(_text(player_text))]


def heading(title: str) -> Callable[..., Any]:
    """A ``Field`` that stands under this heading of ``vral train --help``."""
    return partial(Field, json_schema_extra={"heading": title})


RUN = heading("The run")
NETS = heading("Networks")
LOSSES = heading("Objective and penalties")
MEANS = heading("VRAL")
UPDATES = heading("Update rules")
RECORDS = heading("Records")


class RunConfig(BaseModel):
    """One run: a method on a data set at a ratio, for one or several seeds trained as lanes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal[*METHODS] = Field(description="Row of METHODS.")

    dataset: Literal[*DATASETS] = RUN(
        "digits", description="Data set to train on; vral ls datasets explains each."
    )
    ratio: Annotated[str, BeforeValidator(_ratio)] = RUN(
        "1",
        description="D updates per G update: 50, 50:1, 1:4, or a schedule such as 100x25,5: "
        "100:1 for 25 rounds, then 5:1.",
    )
    play: Literal[*PLAYS] = RUN(
        "D-first",
        description="Who moves first in a round; simultaneous: all at once, at ratio 1 only.",
    )
    seeds: Annotated[
        tuple[Annotated[int, Field(ge=0, lt=SEEDS_BELOW)], ...],
        BeforeValidator(seeds_of),
        Field(min_length=1, max_length=MOST_SEEDS),
    ] = RUN(
        (0,), description="Seeds that train side by side: one (3), a range (0-4) or a list (0,2,5)."
    )
    rounds: Annotated[int, Field(ge=1, le=MOST_ROUNDS)] = RUN(
        description="Rounds to train for; at k:1 a round is k D updates and one G update."
    )
    batch: Annotated[int, Field(ge=2)] = RUN(64, description="Batch size of every update.")
    real_batch: Literal["fresh", "same"] = RUN(
        "fresh",
        description="A fresh real batch for every update, or the same for all updates of a round, "
        "which is a defect of the original code.",
    )
    generator: Literal["trained", "held"] = RUN(
        "trained",
        description="held: G does not move; its turns are read and counted as usual.",
    )
    warmup: Rounds = RUN(
        0,
        description="Rounds of LSGAN at 1:1 that train G first; the run then starts with a new D.",
    )
    variant: Annotated[str, Field(pattern=r"^[A-Za-z0-9.,=_-]{0,40}$")] = RUN(
        "",
        description="Name of a run with settings of its own; part of its folder's name.",
    )

    network: Literal[*NETWORKS] = NETS(
        description="Pair of networks, D and G; vral ls networks explains each."
    )
    width: Units = NETS(
        description="Width of both networks: hidden units, or base channels of convolutions."
    )
    latent: Units = NETS(description="Dimensions of G's input z ~ N(0, I).")
    norm_d: Literal[*D_NORMS] = NETS(
        "none",
        description="Normalisation in D; batch takes the statistics of the batch at hand, so that "
        "‖∇D‖ is not one sample's and penalties on it are refused; spectral divides every weight, "
        "the score's too, by its largest singular value, which one power iteration a D update "
        "follows with a lag (a convolution's kernel counts as a matrix with one row per output "
        "channel).",
    )
    norm_g: Norm = NETS("none", description="Normalisation in G.")
    hidden_noise: Weight = NETS(
        0.0, description="Standard deviation of Gaussian noise on D's hidden activations."
    )
    instance_noise: Weight = NETS(
        0.0, description="Standard deviation of Gaussian noise on D's input."
    )

    objective: Literal[*EVERY, "meta", "parzen", "none"] = LOSSES(
        description="What D minimises, and G too unless --g-objective says otherwise; vral ls "
        "objectives explains each."
    )
    g_objective: Literal["own", "target", "mean"] = LOSSES(
        "own",
        description="What G minimises. own: its part of the objective; target: ½E(D(G(z))-m_r)²; "
        "mean: (E D(G(z)) - E D(x))².",
    )
    gradient_penalty: Weight = LOSSES(
        0.0, description="Weight λ of WGAN-GP's penalty E(‖∇D(x̂)‖-1)²."
    )
    r1: Weight = LOSSES(0.0, description="Weight γ of the penalty (γ/2) E‖∇D(x)‖² on real samples.")
    r2: Weight = LOSSES(
        0.0, description="Weight γ of the penalty (γ/2) E‖∇D(G(z))‖² on fake samples."
    )
    legacy_gp: Weight = LOSSES(
        0.0,
        description="Weight λ of the original code's defective WGAN-GP penalty: one ε for a whole "
        "batch, and the gradient with respect to x instead of x̂.",
    )
    moment_penalty: Weight = LOSSES(
        0.0,
        description="Weight of (variance-1)² + (mean-m)² of D's scores, real and fake.",
    )
    clip: Weight = LOSSES(
        0.0,
        description="Bound c of D's weights, clipped to ±c after its updates; 0: none.",
    )
    clip_scope: Literal["weights", "everything"] = LOSSES(
        "weights",
        description="everything: clip biases and Adam's moments and count too, a defect of "
        "the original code.",
    )

    mean_fake: float = MEANS(
        0.0,
        allow_inf_nan=False,
        description="m_f, the mean that VRAL asks of D's scores on fakes.",
    )
    mean_real: float = MEANS(
        1.0,
        allow_inf_nan=False,
        description="m_r, the mean that VRAL asks of D's scores on reals.",
    )
    meta_input: Literal["sample", "batch"] = MEANS(
        "sample", description="R and F judge single scores, or the scores of a batch as one vector."
    )
    meta_width: Units = MEANS(28, description="Hidden units of R and of F.")
    meta_game: Literal["nonsaturating", "minimax"] = MEANS(
        "nonsaturating", description="The game that D plays against R and F."
    )
    meta_steps: Annotated[int, Field(ge=1, le=1000)] = MEANS(
        1,
        description="Updates of F and of R whenever they move; many keep them near their optimum.",
    )
    meta_penalty: Weight = MEANS(
        0.0,
        description="Weight λ of R's and F's own penalty (λ/2)(E M'(v)² + E M'(y)²); M is R or F, "
        "v the Gaussian's samples, y D's scores.",
    )
    meta_schedule: Literal["every", "once"] = MEANS(
        "every",
        description="Moves of F, R, D and G in a round at k:1: k, k, k, 1 (every) or 1, 1, k, "
        "1 (once); --meta-steps multiplies those of F and R.",
    )
    parzen_kl: Literal["forward", "backward"] = MEANS(
        "forward",
        description="Divergence of N(m, 1) and the density p̃ of D's scores: KL(N‖p̃), or KL(p̃‖N).",
    )
    bandwidth: Positive = MEANS(
        0.3, description="Bandwidth h of the Parzen window; the authors take 1."
    )

    rule: Annotated[str, BeforeValidator(_text(rule_text))] = UPDATES(
        "adam",
        description="Update rule of all players, NAME or NAME:setting=value,… with one of "
        f"{', '.join(rule_names())}; vral ls rules explains each and its settings.",
    )
    transform: Annotated[str, BeforeValidator(_text(transform_text))] = UPDATES(
        "adam",
        description="How each player turns the rule's direction into a step, NAME or "
        f"NAME:setting=value,…, where --rule is not itself one of {', '.join(TRANSFORMS)}.",
    )
    rule_d: PlayerRule = UPDATES(
        "same", description="What D follows: same as all, same:lr=0.001, or one such as sgd:lr=0.1."
    )
    rule_g: PlayerRule = UPDATES("same", description="What G follows, likewise.")
    rule_meta: PlayerRule = UPDATES("same", description="What R and F follow, likewise.")
    lr: Positive = UPDATES(description="Learning rate of every player whose own rule gives none.")
    precision: Literal[*PRECISIONS] = UPDATES(
        "float32", description="bf16: matrix products take bfloat16 factors."
    )
    ema_g: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = UPDATES(
        0.0,
        description="Decay β of a running average of G's parameters, updated after each of G's "
        "updates. Samples and their quality (Fréchet distance, coverage, modes) are then those of "
        "the averaged G; play goes on with G itself. 0: none.",
    )

    record_every: Rounds = RECORDS(
        0,
        description="Keep the readings of every n-th D update, counted back from a round's last; "
        "0: about 10,000 readings in all.",
    )
    probe_every: Rounds = RECORDS(
        0,
        description="Rounds between probes on held-out data; 0: a tenth of the run.",
    )
    probe: Literal["none", "optimality", "interpolation", "usefulness"] = RECORDS(
        "none",
        description="An additional probe. At the end, optimality: train a copy of D further while "
        "G is held; interpolation: follow D and ‖∇D‖ along segments from real to fake samples. At "
        "every probe, usefulness: does G's signal point at the data, by optimal transport?",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> "RunConfig":
        row, pair = DATASETS[self.dataset], NETWORKS[self.network]
        if self.batch > row.size:
            raise ValueError(
                f"--batch: {self.batch} given, but --dataset {self.dataset} has {row.size} "
                "training samples"
            )
        if not pair.fits(row.shape):
            raise ValueError(
                f"--network: {self.network} takes {pair.accepts}, but the samples of "
                f"--dataset {self.dataset} are {'×'.join(map(str, row.shape))}"
            )
        if self.play == "simultaneous" and {s[:2] for s in Ratio.parse(self.ratio).segments} != {
            (1, 1)
        }:
            raise ValueError(
                f"--play: simultaneous given, but at --ratio {self.ratio} one player moves more "
                "often than the other; allowed: D-first, G-first, or --ratio 1"
            )
        if self.g_objective == "own" and self.objective not in EVERY:
            raise ValueError(
                f"--g-objective: own given, but --objective {self.objective} has none for G; "
                "allowed: target, mean"
            )
        if self.clip_scope == "everything" and not self.clip:
            raise ValueError("--clip-scope: everything given, but --clip is 0; allowed: above 0")
        if self.clip_scope == "everything" and name_of(self.rule) == "optimistic":
            raise ValueError(
                "--clip-scope: everything given, but --rule optimistic asks for steps that do not "
                "depend on the parameters; allowed: weights"
            )
        if self.norm_d == "spectral" and self.clip:
            raise ValueError(
                f"--clip: {self.clip:g} given, but --norm-d spectral divides D's weights by their "
                "largest singular value whatever their size; allowed: 0"
            )
        if self.ema_g and self.generator == "held":
            raise ValueError(
                f"--ema-g: {self.ema_g:g} given, but with --generator held G does not move, so "
                "that there is nothing to average; allowed: 0"
            )
        per_sample = [n for n, row in PENALTIES.items() if row.per_sample and getattr(self, n)]
        if self.norm_d == "batch" and per_sample:
            raise ValueError(
                f"--norm-d: batch given, but {option_name(per_sample[0])} is a penalty per sample, "
                "and with batch norm a score depends on its whole batch; allowed: none, group, "
                "spectral"
            )
        return self

    @property
    def arm(self) -> str:
        """Its name among the arms of an experiment."""
        return arm_name(self.method, self.variant)

    @property
    def identity(self) -> str:
        """A digest of all but the rounds, which may grow: what a checkpoint belongs to.

        It covers what differs from the defaults, as in ``with_defaults``: a setting that comes
        later leaves the digests of earlier runs as they are. Settings of rules enter it in their
        old form where they have one (``study.upgrade``), so that old checkpoints go on.
        """
        settings = self.model_dump(mode="json", exclude={"rounds"}, exclude_defaults=True)
        text = json.dumps(flat(settings), sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    @property
    def recorded_every(self) -> int:
        """``record_every``, or what keeps about 10,000 readings."""
        return self.record_every or -(-Ratio.parse(self.ratio).totals(self.rounds)[0] // 10_000)

    @property
    def probed_every(self) -> int:
        return self.probe_every or max(1, self.rounds // 10)

    @property
    def lanes_pay(self) -> bool:
        """Whether stacking seeds beats runs of their own on a CPU.

        Measured on one thread, five stacked lanes cost 1.6 single runs for the digits' MLP, 3.3 for
        MNIST's, and 4.4 to 5.1 for the convolutional pairs, whose seeds run side by side instead.
        """
        return self.network in ("mlp", "segment")


def resolve(method: str, given: Mapping[str, Any]) -> RunConfig:
    """The full configuration: the data set's defaults, then the method's, then what is given.

    Raises ConfigError with one line.
    """
    if method not in METHODS:
        raise ConfigError(f"METHOD: {method!r} given; allowed: {', '.join(METHODS)}")
    dataset = given.get("dataset", "digits")
    defaults = DATASETS[dataset].defaults if dataset in DATASETS else {}
    if given.get("network", defaults.get("network")) != defaults.get("network"):
        pair = NETWORKS.get(given["network"])
        defaults = {**defaults, "width": pair.width} if pair else defaults
    try:
        return RunConfig(**{**defaults, **METHODS[method].settings, **given, "method": method})
    except ValidationError as error:
        raise ConfigError("; ".join(_messages(error))) from None


def with_defaults(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """A recorded run's settings in today's form.

    A run from before a setting existed had what is now its default.
    """
    fields = RunConfig.model_fields.items()
    return {name: info.default for name, info in fields if not info.is_required()} | upgrade(
        recorded
    )


def heading_of(info: FieldInfo) -> str | None:
    """The heading of ``--help`` that a field stands under; None for the method, an argument."""
    extra = info.json_schema_extra
    return str(extra["heading"]) if isinstance(extra, dict) else None


def option_name(field: str) -> str:
    """The command-line option of a field."""
    return "--seed" if field == "seeds" else f"--{field.replace('_', '-')}"


def _messages(error: ValidationError) -> Iterator[str]:
    for entry in error.errors():
        reason = entry["msg"].removeprefix("Value error, ")
        if not entry["loc"]:
            yield reason
            continue
        option = option_name(str(entry["loc"][0]))
        reason = reason.replace("Input should be", "allowed:")
        yield f"{option}: {shown(entry['input'])} given; {reason}"


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """``--option: old → new`` for every setting that differs."""
    return [
        f"{option_name(name)}: {old.get(name)} → {new.get(name)}"
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    ]
