"""How numbers, counts and durations are written, for the terminal, Markdown and the page."""

import math
from collections.abc import Collection


def number(value: float, digits: int = 3) -> str:
    """``value`` with ``digits`` significant digits; very small and very large ones as 1.2e-5.

    NaN is "–".
    """
    if value != value:
        return "–"
    if abs(value) == math.inf:
        return "∞" if value > 0 else "-∞"
    if value == 0 or 1e-3 <= abs(value) < 10**digits:
        return f"{value:.{digits}g}"
    if 10**digits <= abs(value) < 1e5:
        return f"{value:.0f}"
    mantissa, exponent = f"{value:.{min(digits, 2) - 1}e}".split("e")
    return f"{mantissa}e{int(exponent)}"


SUPERSCRIPTS = str.maketrans("−0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def typeset(value: float | None, digits: int = 3) -> str:
    """``number`` as a book sets it, with a minus sign and powers of ten: −4.5·10⁻⁹.

    None is "–", like NaN.
    """
    if value is None:
        return "–"
    mantissa, _, exponent = number(value, digits).replace("-", "−").partition("e")
    return f"{mantissa}·10{exponent.translate(SUPERSCRIPTS)}" if exponent else mantissa


def how_many(number: int, one: str, many: str = "") -> str:
    """Such as "1 seed" and "1,200 seeds"; ``many`` is the plural where it is not ``one`` and s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def from_to(numbers: Collection[int], one: str) -> str:
    """Such as "5 seeds", or "5 to 10 seeds" where the numbers differ."""
    least, most = min(numbers), max(numbers)
    return f"{least:,} to " * (least < most) + how_many(most, one)


def duration(seconds: float) -> str:
    """``seconds`` in the unit a person would choose: 45 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
