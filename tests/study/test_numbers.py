"""How the terminal writes numbers."""

from math import inf, nan

import pytest

from vral.study.numbers import number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.12345, "0.123"),
        (-12.345, "-12.3"),
        (1234.5, "1234"),
        (123456.0, "1.2e5"),
        (-4.32e-9, "-4.3e-9"),
        (nan, "–"),
        (inf, "∞"),
        (-inf, "-∞"),
    ],
)
def test_numbers(value, text):
    assert number(value) == text
