"""Studies made by hand, in which the truth of every claim is known."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

import polars as pl

from vral.claims.evidence import Evidence
from vral.claims.verdict import Claim
from vral.data.datasets import MODES
from vral.diagnostics.gradients import METRICS
from vral.study import frames

TRAINING = {*METRICS, "d_step_rms"}
D_UPDATES = (200, 6000, 12000)
ROUNDS = 10


class Column(NamedTuple):
    """The values of a column for one arm at one ratio: one number, a course in time, or a number
    per seed."""

    arm: str
    ratio: str
    name: str
    values: float | tuple[float, ...]
    per_seed: bool = False


def wobble(seed: int) -> float:
    """A factor that differs by some per cent between seeds, with median 1."""
    return 1 + 0.01 * ((seed * 2) % 5 - 2)


def evidence(
    claim: Claim,
    columns: tuple[Column, ...],
    seeds: int = 5,
    diverged: frozenset[tuple[str, str, int]] = frozenset(),
    batch: int = 64,
) -> Evidence:
    """Everything that ``claim`` reads is 1, except ``columns``."""
    made = tables(claim, columns, seeds)
    return Evidence(
        final=final_of(made["records"], made["probes"]),
        probes=made["probes"],
        interpolation=made["interpolation"],
        diverged=diverged,
        batch=batch,
    )


def tables(claim: Claim, columns: tuple[Column, ...], seeds: int = 5) -> dict[str, pl.DataFrame]:
    """What a study with this ``evidence`` records, by kind."""
    given: Mapping = {(c.arm, c.ratio, c.name): c for c in columns}
    names = {c.name for c in columns} | {"grad_norm_fake", "grad_square_real", "grad_square_fake"}
    names.add("frechet")

    def value(arm: str, ratio: str, name: str, seed: int, step: int) -> float:
        column = given.get((arm, ratio, name))
        if column is None:
            return wobble(seed)
        if column.per_seed:
            return column.values[seed]
        if isinstance(column.values, tuple):
            return column.values[step % len(column.values)] * wobble(seed)
        return column.values * wobble(seed)

    def rows(chosen: set[str], steps: int, clock, **more) -> list[dict]:
        return [
            {"method": arm, "ratio": ratio, "dataset": "digits", "seed": seed}
            | {**clock(step), **more}
            | {name: value(arm, ratio, name, seed, step) for name in chosen}
            for arm in claim.arms
            for ratio in claim.ratios
            for seed in range(seeds)
            for step in range(steps)
        ]

    def training_clock(step: int) -> dict:
        return {"round": step, "d_updates": step, "g_updates": step, "images": step}

    def probe_clock(step: int) -> dict:
        return training_clock(step) | {"d_updates": D_UPDATES[step]}

    probed = names - TRAINING - {"grad_norm_mean"}
    between = [
        row
        for pairing in ("random", "nearest")
        for row in rows({"grad_norm_mean"}, 3, lambda i: {"gamma": i / 2}, pairing=pairing)
    ]
    return {
        "records": pl.DataFrame(rows(names & TRAINING, ROUNDS, training_clock)),
        "probes": pl.DataFrame(rows(probed, len(D_UPDATES), probe_clock)),
        "interpolation": pl.DataFrame(between),
    }


def final_of(records: pl.DataFrame, probes: pl.DataFrame) -> pl.DataFrame:
    """What ``frames.final`` reads of a study with these tables."""
    if records.is_empty() or probes.is_empty():
        return records.clear()
    return frames.marked(frames.final_values(records, probes), [])


FALLS, STAYS = (1, 0.5, 0.001), (1, 0.9, 0.8)

SUBJECT: dict[str, tuple[tuple[str, ...], object, object]] = {
    "C1.saturating": (("median_signal_fake",), FALLS, STAYS),
    "C1.control.*": (("median_signal_fake",), STAYS, FALLS),
    "C1.logit": (("median_grad_norm_fake",), STAYS, FALLS),
    "C1.training": (("signal_fake",), 0.001, 0.5),
    "C1.eps": (("g_grad_below_eps",), 0.9, 0.1),
    "C2.time.*": (("median_signal_fake",), STAYS, FALLS),
    "C2.standard.*": (("median_signal_fake",), 100, 2),
    "C2.training.*": (("signal_fake",), 100, 2),
    "C2.parameters.*": (("g_grad_below_eps",), 0.1, 0.9),
    "C2.perfect": (("auc",), 0.99, 0.76),
    "C3.sd-fake*": (("held_out_var_fake",), 1.2, 0.2),
    "C3.sd-real*": (("held_out_var_real",), 1.2, 3.0),
    "C3.overlap-standard*": (("overlap",), 0.01, 0.3),
    "C3.overlap": (("overlap",), 0.6, 0.1),
    "C0.*": (("coverage",), 0.5, 0.1),
    "C1.panels.saturating": (("signal_fake",), 0.001, 0.5),
    "C1.panels.control.*": (("signal_fake",), 0.8, 0.1),
    "C2.panels.*": (("signal_fake",), 2, 0.5),
    "C2.usefulness.*.cosine": (("usefulness_cosine",), 0.8, 0.1),
    "C2.stages.*": (("usefulness_cosine",), 0.8, 0.1),
    "C2.moves.*": (("usefulness_cosine",), 1.2, 1),
    "C3.*mean-fake*": (("held_out_mean_fake",), 0.05, -0.8),
    "C3.*mean-real*": (("held_out_mean_real",), 0.9, 0.2),
    "C3.*.variance-fake*": (("held_out_var_fake",), 1.2, 0.2),
    "C3.*.variance-real*": (("held_out_var_real",), 1.2, 3.0),
    "C3.*ks-fake*": (("ks_fake",), 0.05, 0.3),
    "C3.*ks-real*": (("ks_real",), 0.05, 0.3),
    "C3.*.overlap*": (("overlap",), 0.6, 0.1),
    "C3.*.contrast*": (("overlap",), 0.01, 0.3),
    "C4.panels.vral-*": (("score_var_fake",), 1.0, 0.1),
    "C4.panels.breaks.*": (("score_var_fake",), 0.01, 0.5),
    "C5.panels.swing.*": (("grad_norm_fake",), (1, 2), (1, 100)),
    "C7.panels.keeps.*": (("frechet",), 1, 2),
    "C7.panels.loses.*": (("frechet",), 3, 1),
    "C7.panels.matched.*": (("frechet",), 1, 2),
    "C8.panels.learns.*": (("coverage",), 0.5, 0.1),
    "C8.panels.*": (("frechet",), 1, 2),
    "C9.panels.benefit*": (("frechet",), 1, 3),
    "C4.vral-*": (("score_var_fake",), 1.0, 0.1),
    "C4.lsgan": (("score_var_fake",), 0.01, 0.5),
    "C4.standard": (("score_var_fake",), 0.01, 2.0),
    "C4.nonsaturating": (("score_var_fake",), 100.0, 0.5),
    "C4.wgan": (("score_var_fake",), 100.0, 2.0),
    "C5.swing.*": (("grad_norm_fake",), (1, 2), (1, 100)),
    "C5.path.*": (("grad_norm_mean",), (1, 2, 1.5), (1, 50, 1)),
    "C6.lipschitz": (("lipschitz",), 1.5, 5),
    "C7.frechet": (("frechet",), 1, 2),
    "C7.standard": (("frechet",), 3, 1),
    "C7.coverage": (("coverage",), 1, 0.5),
    "C8.target": (("frechet",), 1, 2),
    "C8.mean": (("frechet",), 1, 2),
    "C8.mean-target": (("frechet",), 0.8, 1.5),
    "C9.no-variance": (("score_var_fake", "score_var_real"), 0.01, 0.5),
    "C9.sd.*": (("score_var_fake", "score_var_real"), 0.9, 0.2),
    "C9.gradient.*": (("g_grad_below_eps",), 0.1, 0.9),
    "C9.benefit": (("frechet",), 1, 3),
    "C10.clip-all": (("grad_norm_fake",), 0.01, 0.5),
    "C11.variance.*": (("held_out_var_fake",), 4, 1),
    "C11.signal.*": (("median_signal_fake",), 4, 1),
    "C11.auc.*": (("auc",), 0.98, 0.6),
    "Q1.lipschitz": (("lipschitz",), 0.2, 1),
    "Q1.r1": (("lipschitz",), 1, 3),
    "Q1.earns.*": (("frechet",), 0.5, 1),
    "Q2.*": (("frechet",), 4, 1),
    "Q4.*": (("frechet",), 0.5, 1),
    "P1.quality.*": (("high_quality",), 0.8, 0.2),
    "P1.kl.*": (("reverse_kl",), 0.2, 1),
    "T8.wgan-gp": (("w1",), 4, 1),
    "T8.r1-r2": (("w1",), 1, 2),
    "A.clip-all": (("grad_norm_fake",), 0.01, 0.5),
    "A.label": (("frechet",), 1.1, 1.1),
    "A.batch-norm.*": (("grad_norm_fake",), 0.3, 1.1),
    "A.same-real.*": (("frechet",), 2, 1.1),
    "A.real-gp": (("grad_norm_real",), 1.5, 1),
}
"""Claim to the columns that it reads of its subject, and their values where the claim is true and
where it is false."""


def true_and_false(claim: Claim) -> tuple[Evidence, Evidence]:
    """Two studies: the claim holds in the first and does not in the second."""
    subject, ratio = claim.arms[0], claim.ratios[0]

    def world(*columns: tuple, **more) -> Evidence:
        return evidence(claim, tuple(Column(*column) for column in columns), **more)

    def pair(name: str, good, bad, others: tuple = (), **more) -> tuple[Evidence, Evidence]:
        return tuple(world((subject, ratio, name, v), *others, **more) for v in (good, bad))

    if claim.id == "A.scale":
        return tuple(world((subject, ratio, "grad_square_fake", 3), batch=b) for b in (64, 32))
    if claim.id == "A.filler":
        variance = (subject, ratio, "held_out_var_fake", 1)
        return pair("held_out_mean_fake", 0.5, -20, (variance,))
    if claim.id == "A.label":
        return tuple(
            world((subject, "10", "frechet", v), (subject, "50", "frechet", 1)) for v in (2, 1.1)
        )
    if fnmatchcase(claim.id, "C5.seeds.*"):
        good, bad = (0.9, 1.0, 1.05, 1.1, 0.95), (0.1, 0.2, 0.3, 1.0, 100.0)
        return tuple(world((subject, ratio, "grad_norm_fake", v, True)) for v in (good, bad))
    if fnmatchcase(claim.id, "C5.than.*") or fnmatchcase(claim.id, "C5.panels.than.*"):
        other = (claim.arms[1], ratio, "grad_norm_fake", (1, 4))
        return pair("grad_norm_fake", (1, 2), (1, 9), (other,))
    if fnmatchcase(claim.id, "C10.clip=*"):
        other = (claim.arms[1], ratio, "grad_norm_fake", (1, 1.1))
        return pair("grad_norm_fake", (1, 3), (1, 1.12), (other,))
    if claim.id == "C6.correlation":
        count = len(claim.arms)
        return tuple(
            world(
                *((arm, ratio, "held_out_var_fake", i + 1) for i, arm in enumerate(claim.arms)),
                *((arm, ratio, "lipschitz", order(i)) for i, arm in enumerate(claim.arms)),
            )
            for order in (lambda i: 3 * i + 5, lambda i: count - i)
        )
    if claim.id == "C6.scale":
        count = len(claim.arms)
        ranks = range(count)

        def rising(column: str, values) -> tuple:
            return tuple((arm, ratio, column, v) for arm, v in zip(claim.arms, values, strict=True))

        slope = (*rising("lipschitz", ranks), *rising("held_out_mean_fake", [0] * count))
        with_slope, mixed = list(ranks), [(3 * i) % count + 0.5 * (i % 2) for i in ranks]
        return tuple(
            world(
                *slope,
                *rising("held_out_var_fake", variance),
                *rising("held_out_mean_real", distance),
            )
            for variance, distance in ((with_slope, mixed), (mixed, with_slope))
        )
    if fnmatchcase(claim.id, "C2.chance.*"):
        endings = ("permuted", "permuted_sd", "random_sd")
        chance = tuple((subject, ratio, f"usefulness_cosine_{name}", 1) for name in endings)
        return pair("usefulness_cosine", 8, 2, chance)
    if fnmatchcase(claim.id, "C2.usefulness.*.drop"):
        points = tuple((arm, ratio, "usefulness_cosine", 1) for arm in claim.arms)
        return pair("usefulness_w2_drop", 0.8, 0.1, points)
    if fnmatchcase(claim.id, "C2.points.*"):
        return pair(
            "usefulness_cosine", 0.7, 0.4, ((subject, ratio, "usefulness_cosine_permuted", 0.2),)
        )
    if fnmatchcase(claim.id, "Q3.keeps.*") or fnmatchcase(claim.id, "Q3.loses.*"):
        learned = tuple((subject, at, "coverage", 0.5) for at in claim.ratios)
        good, bad = (1, 2) if "keeps" in claim.id else (3, 1)
        return pair("frechet", good, bad, learned)
    if fnmatchcase(claim.id, "Q3.large.*") or fnmatchcase(claim.id, "Q3.small.*"):
        learned = tuple((subject, at, "coverage", 0.5) for at in claim.ratios)
        best_at_10, best_at_1 = (world((subject, "10", "frechet", v), *learned) for v in (0.5, 2))
        return (best_at_10, best_at_1) if "large" in claim.id else (best_at_1, best_at_10)
    if fnmatchcase(claim.id, "P1.problem.*"):
        modes = MODES[claim.datasets[0]]
        return pair("modes_covered", 0.3 * modes, 0.97 * modes)
    if any(fnmatchcase(claim.id, f"P1.{part}.*") for part in ("vral-*", "ratio", "best")):
        cells = [(arm, at) for arm in claim.arms for at in claim.ratios]
        sharp = tuple((*cell, "high_quality", 0.8) for cell in cells)
        unit = MODES[claim.datasets[0]] if "P1.vral" in claim.id else 1
        return pair("modes_covered", 0.97 * unit, 0.3 * unit, sharp)
    (names, good, bad) = next(v for k, v in SUBJECT.items() if fnmatchcase(claim.id, k))
    return tuple(world(*((subject, ratio, name, v) for name in names)) for v in (good, bad))
