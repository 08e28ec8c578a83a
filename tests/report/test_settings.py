"""Settings and commands as the page shows them."""

import pytest

from vral.report import settings


def test_settings_are_told_once_where_they_agree_and_per_method_where_not():
    cells = [("a", "1", 1e-3, 1), ("a", "50", 1e-3, 5), ("b", "1", None, 1), ("b", "50", None, 5)]
    configs = [
        {"method": m, "ratio": r, "dataset": "digits", "seeds": [0], "lr": lr, "every": e, "w": 8}
        for m, r, lr, e in cells
    ]
    assert settings.common_settings(configs) == {"w": 8}
    every = "1 at 1:1, 5 at 50:1"
    assert settings.differing_settings(configs) == (
        ["lr", "every"],
        [("a", ["0.001", every]), ("b", ["–", every])],
    )


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("reproduce noise --out /home/me/runs --jobs 2", "vral reproduce noise --jobs 2"),
        ("reproduce noise --out=/x --data-root /y --seeds 3", "vral reproduce noise --seeds 3"),
        ("reproduce noise --dataset ring", "vral reproduce noise --dataset ring"),
        ("reproduce noise --dataset=ring", "vral reproduce noise --dataset=ring"),
        ("reproduce noise --dataset grid", None),
        ("reproduce noise --dataset=grid --out x", None),
        ("noise --dataset grid --dataset ring --out x", "vral noise --dataset grid --dataset ring"),
        ("reproduce ratios --ratios '1 100x25,5'", "vral reproduce ratios --ratios '1 100x25,5'"),
        ("not ' a command", "vral not ' a command"),
    ],
)  # fmt: skip
def test_a_section_shows_the_commands_that_made_it_as_anybody_can_give_them(command, shown):
    assert settings.portable_command(command, "ring") == shown
