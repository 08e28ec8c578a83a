"""RULES: every update rule by name, and how a configuration's texts become rules and transforms.

A rule is written NAME or NAME:setting=value,…, as in ``consensus:gamma=3,draws=2`` or ``adam``: a
row of RULES, or of TRANSFORMS, which all players then follow as it is.
"""

import inspect
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, replace

from vral.optim.consensus import Consensus
from vral.optim.extragradient import Extragradient
from vral.optim.gradient_norm import NagarajanKolter, Smooth
from vral.optim.optimistic import Optimistic
from vral.optim.rule import FirstOrder
from vral.optim.settings import parse, plain, setting, settings_of, written
from vral.optim.symplectic import Symplectic
from vral.optim.transforms import TRANSFORMS, Transform
from vral.optim.unrolled import Unrolled

RULES: dict[str, type[FirstOrder]] = {
    "extragradient": Extragradient,
    "optimistic": Optimistic,
    "consensus": Consensus,
    "smooth": Smooth,
    "nk": NagarajanKolter,
    "sga": Symplectic,
    "unrolled": Unrolled,
}
"""Rules that are more than each player's transform of its own gradient, by name."""


@dataclass(frozen=True)
class Same:
    """The rule of the other players, at another learning rate: same:lr=0.001."""

    lr: float = setting(meaning="learning rate", above=0.0)


def rule_names() -> tuple[str, ...]:
    """What can be a run's rule: every transform, every row of RULES."""
    return (*TRANSFORMS, *RULES)


def rule_text(text: str) -> str:
    """The canonical text of a run's rule. Raises ValueError in one line."""
    rows = {**TRANSFORMS, **RULES}
    name, values = parse(text, rows, shared=True)
    return written(name, values, rows[name])


def transform_text(text: str) -> str:
    """The canonical text of what all players follow. Raises ValueError in one line."""
    name, values = parse(text, TRANSFORMS, shared=True)
    return written(name, values, TRANSFORMS[name])


def player_text(text: str) -> str:
    """The canonical text of what one player follows. Raises ValueError in one line.

    ``same`` is the transform of all players; ``lr`` is the player's own learning rate.
    """
    rows = {"same": Same, **TRANSFORMS}
    name, values = parse(text, rows)
    return written(name, values, rows[name])


def name_of(text: str) -> str:
    """The name that a text begins with."""
    return text.partition(":")[0]


def common_transform(rule: str, transform: str, lr: float) -> Transform:
    """What all players follow under a rule: the rule where it is a transform, else ``transform``.

    Raises ValueError where a text is malformed.
    """
    text = rule if name_of(rule) in TRANSFORMS else transform
    name, values = parse(text, TRANSFORMS, shared=True)
    return TRANSFORMS[name](lr=lr, **values)


def player_transform(text: str, common: Transform) -> Transform:
    """What one player follows; what its text leaves out is its learning rate's, or the default.

    Raises ValueError where the text is malformed.
    """
    name, values = parse(text, {"same": Same, **TRANSFORMS})
    if name == "same":
        return replace(common, **values)
    return TRANSFORMS[name](**{"lr": common.lr, **values})


def make_rule(text: str, transforms: Mapping[str, Transform]) -> FirstOrder:
    """The rule of a text, followed by each player's transform. Raises ValueError."""
    name, values = parse(text, {**TRANSFORMS, **RULES}, shared=True)
    return RULES[name](transforms, **values) if name in RULES else FirstOrder(transforms)


def describe(rows: Mapping[str, type]) -> dict[str, str]:
    """Rows of RULES or TRANSFORMS in words, their settings behind each.

    The keys are as one writes them: "consensus", then "consensus:gamma=10" for a setting and its
    default. The learning rate that players share is left out.
    """
    lines = {}
    for name, row in rows.items():
        lines[name] = inspect.cleandoc(row.__doc__ or "").partition("\n")[0].rstrip(".")
        for key, entry in settings_of(row).items():
            if entry.default is not MISSING:
                text = f"{name}:{key}={plain(entry.default)}"
                lines[text] = f"{entry.meaning} ({entry.allowed})"
    return lines
