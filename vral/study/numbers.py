"""How numbers and durations are written, for the terminal, Markdown and the page."""

import math


def number(value: float, digits: int = 3) -> str:
    """``digits`` significant digits; very small and very large ones as 1.2e-5."""
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


def duration(seconds: float) -> str:
    """In the unit a person would choose."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
