from pathlib import Path

import polars as pl

from vral.figures.front import READINGS, front
from vral.figures.style import FLOOR, ZERO
from vral.study.methods import METHODS

PUBLISHED = Path(__file__).parents[2] / "runs/published"
SUMMARY = PUBLISHED / "ratios-digits/summary.csv"
NAMES = {method.label: name for name, method in METHODS.items()}


def test_every_dot_stands_at_the_published_median():
    summary = pl.read_csv(SUMMARY)
    figure = front(summary)
    assert len(figure.axes) == len(READINGS)
    methods = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    for ax, metric in zip(figure.axes, READINGS, strict=True):
        dots = [line for line in ax.lines if line.get_marker() == "o"]
        assert not any(line.get_gid() == ZERO for line in ax.lines)  # no median is 0
        spans = [line for line in ax.lines if line.get_alpha() is not None]
        assert len(dots) == len(spans) == len(methods) == 7
        published = summary.filter((pl.col("ratio") == 50) & (pl.col("metric") == metric))
        for label, dot, span in zip(methods, dots, spans, strict=True):
            row = published.row(by_predicate=pl.col("method") == NAMES[label], named=True)
            assert dot.get_xdata()[0] == row["median"]
            assert list(span.get_xdata()) == [row["low"], row["high"]]
            assert dot.get_ydata()[0] == methods.index(label)
    assert "WGAN-GP 4.1" in figure.get_label()


def test_methods_without_readings_are_left_out():
    summary = pl.read_csv(SUMMARY).filter(pl.col("method").is_in(["lsgan", "standard"]))
    labels = [text.get_text() for text in front(summary).axes[0].get_yticklabels()]
    assert labels == ["Standard", "LSGAN"]


def test_the_published_picture_is_light():
    assert (PUBLISHED / "front.png").stat().st_size < 200_000


def test_a_median_of_zero_is_a_mark_at_the_edge_and_not_a_dot():
    frechet = (pl.col("metric") == "frechet") & (pl.col("method") == "lsgan")
    parts = [
        pl.when(frechet).then(0.0).otherwise(pl.col(part)).alias(part)
        for part in ("median", "low", "high")
    ]
    figure = front(pl.read_csv(SUMMARY).with_columns(parts))
    ax = figure.axes[3]
    (edge,) = [line for line in ax.lines if line.get_gid() == ZERO]
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert list(edge.get_ydata()) == [names.index("LSGAN")]
    assert ax.get_xlim()[0] > 1.0 > FLOOR
