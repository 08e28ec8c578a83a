"""Settings of rules as runs recorded them before rules had settings of their own, and back.

Until version 0.2 every setting of every rule was a field of the configuration: ``consensus`` and
``consensus_draws``, ``beta1``, ``lr_d``. ``upgrade`` turns such settings into the texts of today,
so that old runs stay readable; ``flat`` goes back, so that a run's identity, and with it its
checkpoint, is what it was.
"""

from collections.abc import Mapping
from dataclasses import MISSING
from typing import Any, NamedTuple

from vral.optim.rules import RULES, Same
from vral.optim.settings import parse, plain, settings_of
from vral.optim.transforms import TRANSFORMS


class Place(NamedTuple):
    """Where the value of an old setting stands today."""

    default: Any
    """The old setting's default."""
    rules: tuple[str, ...]
    """Rules whose setting it is."""
    name: str
    """What that setting is called."""


SETTINGS: dict[str, Place] = {
    "beta1": Place(0.5, ("adam",), "beta1"),
    "beta2": Place(0.999, ("adam",), "beta2"),
    "rmsprop_decay": Place(0.99, ("rmsprop",), "decay"),
    "eps": Place(3e-6, ("adam", "rmsprop"), "eps"),
    "momentum": Place(0.9, ("momentum",), "momentum"),
    "consensus": Place(10.0, ("consensus",), "gamma"),
    "consensus_draws": Place(1, ("consensus",), "draws"),
    "smooth": Place(1.0, ("smooth",), "gamma"),
    "nk": Place(1.0, ("nk",), "eta"),
    "sga": Place(1.0, ("sga",), "weight"),
    "sga_sign": Place("fixed", ("sga",), "sign"),
    "unroll": Place(5, ("unrolled",), "steps"),
    "unroll_lr": Place(0.0, ("unrolled",), "lr"),
}
"""Old settings of rules and transforms, those of one rule in the order of its fields."""

RATES: dict[str, str] = {"lr_d": "rule_d", "lr_g": "rule_g", "lr_meta": "rule_meta"}
"""Old learning rates of single players (0: that of all players), and the texts that hold them."""

TEXTS: dict[str, str] = {
    "rule": "adam",
    "transform": "adam",
    "rule_d": "same",
    "rule_g": "same",
    "rule_meta": "same",
}
"""Fields that name a rule or a transform, with their defaults then."""

OLD_TRANSFORMS = ("sgd", "momentum", "rmsprop", "adam")
OLD_NAMES = (
    *("same", *OLD_TRANSFORMS),
    *("extragradient", "optimistic", "consensus", "smooth", "nk", "sga", "unrolled"),
)


def form_today(option: str, value: str) -> str:
    """What to write today for an old option, a key of SETTINGS or RATES."""
    if option in RATES:
        return f"--{RATES[option].replace('_', '-')} same:lr={value}"
    place = SETTINGS[option]
    return " or ".join(f"--rule {rule}:{place.name}={value}" for rule in place.rules)


def upgrade(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as they are written today.

    What holds no old setting comes back as it is. Old settings of rules that the run did not use
    had no effect and are left out.
    """
    if not settings.keys() & {*SETTINGS, *RATES}:
        return dict(settings)
    kept = {k: value for k, value in settings.items() if k not in SETTINGS and k not in RATES}
    names = {field: settings.get(field, default) for field, default in TEXTS.items()}
    rates = {field: settings.get(rate, 0.0) for rate, field in RATES.items()}
    for field, name in names.items():
        unused = field == "transform" and names["rule"] in OLD_TRANSFORMS
        pieces = [f"lr={plain(rates[field])}"] if rates.get(field) else []
        pieces += [
            f"{place.name}={plain(settings[old])}"
            for old, place in SETTINGS.items()
            if name in place.rules
            and not unused
            and settings.get(old, place.default) != place.default
        ]
        kept[field] = f"{name}:{','.join(pieces)}" if pieces else name
    return kept


def flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The old form of those settings of a run that are not at their defaults.

    Where there is none (a rule of today, two values of what was one setting) they come back as
    they are. Raises ValueError where a text is malformed.
    """
    rows = {"same": Same, **TRANSFORMS, **RULES}
    parsed = {field: parse(settings.get(field, usual), rows) for field, usual in TEXTS.items()}
    names: dict[str, str] = {}
    values: dict[str, Any] = {}
    for field, (name, given) in parsed.items():
        unused = field == "transform" and parsed["rule"][0] in OLD_TRANSFORMS
        if name not in OLD_NAMES or (unused and given):
            return dict(settings)
        names[field] = name
        defaults = {key: entry.default for key, entry in settings_of(rows[name]).items()}
        if unused:
            continue
        for key, value in (defaults | given).items():
            old = _old_name(field, name, key)
            if value is MISSING or (old is None and value == defaults[key]):
                continue
            if old is None or values.setdefault(old, value) != value:
                return dict(settings)
    others = {name: value for name, value in settings.items() if name not in TEXTS}
    usual = TEXTS | {name: place.default for name, place in SETTINGS.items()}
    return others | {k: v for k, v in (names | values).items() if v != usual.get(k)}


def _old_name(field: str, rule: str, key: str) -> str | None:
    """The old setting that held the setting ``key`` of ``rule`` in the text of ``field``."""
    if key == "lr" and field in RATES.values():
        return next(rate for rate, text in RATES.items() if text == field)
    places = SETTINGS.items()
    return next((old for old, p in places if rule in p.rules and p.name == key), None)
