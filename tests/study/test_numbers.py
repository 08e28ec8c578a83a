"""How numbers are written."""

from math import inf, nan

import pytest

from vral.study.numbers import duration, from_to, how_many, number, typeset


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


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-4.5e-9, "−4.5·10⁻⁹"),
        (0.5557, "0.556"),
        (1.2e9, "1.2·10⁹"),
        (1071.2, "1071"),
        (0.0, "0"),
        (None, "–"),
        (nan, "–"),
        (inf, "∞"),
        (-inf, "−∞"),
    ],
)
def test_numbers_are_typeset(value, text):
    assert typeset(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(45.4, "45 s"), (89, "89 s"), (90, "2 min"), (7200, "2.0 h")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_a_count_has_its_noun_in_the_right_number():
    assert [how_many(n, "run") for n in (0, 1, 1200)] == ["0 runs", "1 run", "1,200 runs"]
    assert [how_many(n, "study", "studies") for n in (1, 2)] == ["1 study", "2 studies"]


def test_counts_that_differ_are_given_from_the_least_to_the_most():
    assert [from_to(counts, "seed") for counts in ([1], [5, 5], [10, 5, 7])] == [
        "1 seed",
        "5 seeds",
        "5 to 10 seeds",
    ]
