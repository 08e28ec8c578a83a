"""Every figure of the package, drawn from made-up readings that are as awkward as real ones.

Each study over seeds has all its arms and ratios. Seed 0 of some arms reads 0 where an axis is
logarithmic, one arm reads nothing but 0, and one has diverged.
"""

from itertools import product
from pathlib import Path
from zlib import crc32

import numpy as np
import polars as pl
import pytest

from vral.data.datasets import DATASETS
from vral.diagnostics.gamma_sweep import GammaSweep
from vral.diagnostics.spectrum import Spectrum
from vral.dynamics import (
    basins,
    damping,
    errata,
    lazy_r1,
    limit_cycles,
    mixture_spectrum,
    portraits,
    score_map,
    trade_off,
)
from vral.dynamics.systems import systems
from vral.figures import Drawing, spectra
from vral.figures.experiments import FIGURES, Selection
from vral.study import frames
from vral.study.experiments import EXPERIMENTS

SEEDS = 3
LEAST = 1e-5
"""No reading that is not 0 is smaller."""
ROUNDS = 12
SMALL_DATA = {"ratios": "ring", "necessity": "ring"}
"""A plain data set where an experiment's own is downloaded or needs no drawing of its own."""


def _readings(random, size, zero):
    """``size`` readings from LEAST to 1e3, some of them 0 where ``zero``."""
    values = 10 ** random.uniform(np.log10(LEAST), 3, size)
    values[random.random(size) < {"never": 0.0, "some": 0.3, "always": 1.1}[zero]] = 0.0
    return values


RECORDED = (
    "grad_norm_fake", "grad_norm_real", "score_var_fake", "score_var_real", "signal_fake",
    "g_grad_rms", "grad_square_fake", "grad_square_real",
)  # fmt: skip
PROBED = (
    "median_signal_fake", "median_grad_norm_fake", "held_out_var_fake", "lipschitz",
    "latent_grad_square", "frechet", "reverse_kl", "w1",
)  # fmt: skip
SHARES = ("auc", "ks_fake", "high_quality", "coverage", "usefulness_variance_share")

DIRECTIONS = ("usefulness_cosine", "usefulness_cosine_permuted", "usefulness_w2_drop")


class Made:
    """The tables of a study that was never run; stands in for ``vral.study.frames``."""

    def __init__(self, name: str, zeros: bool = True):
        row = EXPERIMENTS[name]
        self.arms = [arm.name for arm in row.arms]
        # An arm with a ratio of its own is played at that one alone.
        own = {arm.name: arm.ratio for arm in row.arms if getattr(arm, "ratio", "")}
        self.places = [
            (arm, ratio)
            for arm in self.arms
            for ratio in ([own[arm]] if arm in own else row.ratios)
        ]
        self.ratios = list(dict.fromkeys(ratio for _, ratio in self.places))
        self.dataset = SMALL_DATA.get(name, row.datasets[0])
        self.lost = [(self.arms[-1], self.places[-1][1])] if len(self.arms) > 3 else []
        random = np.random.default_rng(crc32(name.encode()))
        records, probes, paths = [], [], []
        for k, (arm, ratio) in enumerate(self.places):
            zero = "always" if k == 1 else "some" if k % 2 else "never"
            for seed in range(SEEDS):
                time = np.arange(1, ROUNDS + 1)
                place = {"method": arm, "ratio": ratio, "dataset": self.dataset, "seed": seed}
                ahead = int(ratio) * time
                clocks = {"round": time, "g_updates": time, "d_updates": ahead, "images": ahead}
                take = zero if zeros else "never"
                read = {n: _readings(random, ROUNDS, take) for n in (*RECORDED, "signal")}
                records.append(pl.DataFrame({**clocks, **read}).with_columns(**_lit(place)))
                read = {n: _readings(random, ROUNDS, take) for n in PROBED}
                read |= {n: random.random(ROUNDS) for n in SHARES}
                read |= {"modes_covered": random.integers(0, 9, ROUNDS).astype(float)}
                read |= {"held_out_mean_fake": random.normal(size=ROUNDS)}
                read |= {n: random.uniform(-0.3, 0.9, ROUNDS) for n in DIRECTIONS}
                read |= {"usefulness_w2_square": np.full(ROUNDS, 9.0)}
                if k == 1:
                    read |= {"auc": np.zeros(ROUNDS)}
                scores = {
                    f"scores_{kind}": list(random.normal(k, 3 ** (k % 4 - 1), (ROUNDS, 64)))
                    for kind in ("real", "fake")
                }
                probes.append(
                    pl.DataFrame({**clocks, **read, **scores}).with_columns(**_lit(place))
                )
                for pairing in ("random", "nearest"):
                    gammas = np.linspace(-0.5, 1.5, 9)
                    path = {"gamma": gammas, "pairing": [pairing] * 9}
                    for part in ("mean", "low", "high"):
                        path[f"score_{part}"] = random.normal(0, 100, 9)
                        path[f"grad_norm_{part}"] = np.sort(_readings(random, 9, take))
                    paths.append(pl.DataFrame(path).with_columns(**_lit(place)))
        self.tables = {
            "records": pl.concat(records),
            "probes": pl.concat(probes),
            "interpolation": pl.concat(paths),
        }

    def read(self, _: Path, kind: str) -> pl.DataFrame:
        none = self.tables["records"].select(*frames.COORDINATES, "seed").clear()
        return self.tables.get(kind, none)

    def diverged(self, _: Path):
        return [
            {"method": arm, "ratio": ratio, "dataset": self.dataset, "seed": 0}
            for arm, ratio in self.lost
        ]

    def last_samples(self, _: Path, arm: str, ratio: str, dataset: str):
        shape = DATASETS[dataset].shape
        if (arm, ratio) in self.lost:
            return None
        random = np.random.default_rng(1)
        if shape == (2,):
            return random.normal(size=(500, 2))
        return random.integers(0, 255, (64, *shape)).astype(np.uint8)

    def runs(self, _: Path):
        quality = {"w1_floor": 0.05, "w1_collapse": 1.1}
        yield Path(), {"config": {"dataset": self.dataset}, "quality": quality}


def _lit(place):
    return {name: pl.lit(value) for name, value in place.items()}


def of_study(name: str, zeros: bool = True) -> dict[str, Drawing]:
    """The figures of an experiment over seeds."""
    made = Made(name, zeros)
    with pytest.MonkeyPatch.context() as patch:
        for method in ("read", "diverged", "last_samples", "runs"):
            patch.setattr(frames, method, getattr(made, method))
        targets = {arm: (0.0, 1.0) for arm in made.arms if arm.startswith("vral")}
        chosen = Selection(
            Path(), made.dataset, made.arms, made.ratios, range(SEEDS), targets, 64, "mlp", 20
        )
        return FIGURES[name](chosen)


def _spectra() -> dict[tuple[str, str], Spectrum]:
    """Clouds of eigenvalues with tails as long as those of a trained mixture GAN."""
    random = np.random.default_rng(0)
    made = {}
    for row in mixture_spectrum.PANELS:
        for time, tail in zip(mixture_spectrum.TIMES, (1.0, 1e4), strict=True):
            cloud = random.normal(0, 0.05, 300) + 1j * random.normal(0, 0.05, 300)
            far = -np.geomspace(0.1, tail, 20) + 0j
            made[row, time] = Spectrum(np.concatenate([cloud, cloud.conj(), far]), 620, 0.46)
    return made


def score_cells(setup: score_map.Setup) -> pl.DataFrame:
    """Cells of the score game; C3 holds where τ and n are large."""
    gains = {"meta_mean": 70.0, "meta_deviation": 20.0, "d_mean": 2000.0, "d_deviation": 500.0}
    rows = []
    for program, penalties in setup.programs.items():
        share = min(1.0, program.steps * program.tau / 40)
        for penalty, seed in product(penalties, range(setup.seeds)):
            place = {"penalty": penalty, "seed": seed, "c3": share * (1 - seed / 10), "ks": 0.2}
            rows.append(program._asdict() | place | gains)
    return pl.DataFrame(rows)


def _round() -> Spectrum:
    return Spectrum(np.array([0.9 + 0.3j, 0.9 - 0.3j, 1.02, 0.2]), 4, 0.0, update=True)


def _sweep(stable_from: float | None) -> GammaSweep:
    gammas = np.linspace(0, 2, 13)
    abscissae = (gammas - 1) ** 2 / 4 - 0.2
    return GammaSweep(gammas, abscissae, abscissae < 0, np.zeros(13), stable_from)


def _points() -> pl.DataFrame:
    """Readings of scores at gaps where D does as it is asked, and where it does not."""
    random = np.random.default_rng(0)
    arms = ["vral-meta", "vral-meta-10", "vral-parzen", "vral-parzen+h=0.1,backward"]
    points = {"method": np.repeat(arms, SEEDS), "gap": np.repeat([1.0, 1.0, 2.0, 6.0], SEEDS)}
    read = {name: random.random(len(arms) * SEEDS) for name in trade_off.NAMES}
    slopes = 10 ** random.uniform(-2, 3, len(arms) * SEEDS)
    return pl.DataFrame({**points, **read, "slope_per_gap": slopes})


def without_seeds() -> dict[str, Drawing]:
    """The figures of the deterministic studies, and those of ``vral spectrum``."""
    one = list(systems().values())
    drawn = {
        **portraits.experiment([*one[:6], *one[-4:]], rounds=40).figures,
        **basins.experiment(points=9, rounds=200).figures,
        **damping.experiment(np.linspace(0, 4, 9), np.geomspace(0.02, 8, 9)).figures,
        **limit_cycles.experiment(rounds=400).figures,
        **lazy_r1.experiment(rounds=1500).figures,
        **errata.experiment(width=2).figures,
        **trade_off.experiment(_points()).figures,
    }
    field = _spectra()["none", "before"]
    return drawn | {
        "spectrum-mog": mixture_spectrum.figure(mixture_spectrum.Setup(), _spectra()),
        "score-game": score_map.figure(score_map.Setup(), score_cells(score_map.Setup())),
        "eigenvalues": spectra.eigenvalues([[("field", field), ("round", _round())]], "A run"),
        "sweep": spectra.damping(_sweep(0.12), "A run"),
        "sweep-between": spectra.damping(_sweep(None), "A run"),
    }
