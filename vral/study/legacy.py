"""Defects of the original VRAL code, as arithmetic on the records of correct runs."""

import polars as pl


def legacy_scales(frame: pl.DataFrame, batch: int) -> pl.DataFrame:
    """``frame`` with E‖∇D‖² on the two scales on which the original VRAL code reported it.

    That code differentiated the batch *mean* of D, so each squared norm carries 1/B². Its Standard,
    -log D, LSGAN and BGAN scripts summed over the samples: (1/B) E‖∇D‖². Its VRAL, Parzen and WGAN
    scripts averaged: (1/B²) E‖∇D‖². The former come out B = 64 times larger for the same D. The new
    columns are legacy_{real,fake}_{summed,averaged}; ``batch`` is B.
    """
    return frame.with_columns(
        **{
            f"legacy_{kind}_{name}": pl.col(f"grad_square_{kind}") / power
            for kind in ("real", "fake")
            for name, power in (("summed", batch), ("averaged", batch**2))
        }
    )


FILLER_ROWS, FILLER, ROWS = 32, 99.0, 60_000
"""The original never writes 32 of the 60,000 rows of its arrays of WGAN outputs: they stay 99."""


def filler_variance(mean: float, variance: float) -> float:
    """What the unwritten rows add to the variance of D's outputs; +5.22 at N(0, 1).

    ``mean`` and ``variance`` are those of the rows that were written.
    """
    share = FILLER_ROWS / ROWS
    return share * (1 - share) * (FILLER - mean) ** 2 - share * variance
