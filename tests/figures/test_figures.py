"""Figures of synthetic frames: what is drawn stands where the numbers are."""

import re

import gallery
import numpy as np
import polars as pl
import pytest
from matplotlib.colors import rgb_to_hsv, to_rgb
from matplotlib.figure import Figure
from oracles import backward_parzen_variance, forward_parzen_variance
from scipy.stats import norm

from vral import figures
from vral.figures import PAGE, PHONE
from vral.figures.curves import log_spaced
from vral.figures.experiments import FIGURES, Selection
from vral.figures.style import arm_styles
from vral.parzen import optimal_variance
from vral.study.experiments import EXPERIMENTS
from vral.study.folders import folder_name
from vral.study.methods import METHODS, label
from vral.study.run import execute

SEEDS = 3


def frame(arms, ratios=("50",), times=1, **columns):
    """Rows arm × ratio × seed × round; ``columns`` map (arm, ratio, seed, round) to a reading."""
    keys = [
        (arm, ratio, seed, time)
        for arm in arms
        for ratio in ratios
        for seed in range(SEEDS)
        for time in range(1, times + 1)
    ]
    rows = [
        {"method": arm, "ratio": ratio, "dataset": "digits", "seed": seed, "round": time}
        | {"g_updates": time, "d_updates": 200 * time, "images": time, "diverged": False}
        | {name: float(value(arm, ratio, seed, time)) for name, value in columns.items()}
        for arm, ratio, seed, time in keys
    ]
    return pl.DataFrame(rows)


def one(value):
    return lambda *_: value


def dots(ax, marker="o"):
    """(x, y) of the medians of a dot-and-interval panel."""
    lines = [
        line for line in ax.lines if line.get_marker() == marker and len(line.get_xdata()) == 1
    ]
    return sorted((float(line.get_ydata()[0]), float(line.get_xdata()[0])) for line in lines)


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_a_held_generator_s_curves_are_medians_over_time_in_units_of_the_warm_up():
    columns = dict.fromkeys(
        ("median_signal_fake", "median_grad_norm_fake", "held_out_var_fake", "auc"), one(0.9)
    )
    columns["median_signal_fake"] = lambda arm, ratio, seed, time: (1 + seed) / time
    arms = ["standard", "lsgan", "vral-meta"]
    figure = figures.held_generator(
        frame(arms[:2], ("200",), 10, **columns),
        arms,
        200,
        "length of G's warm-up",
        {"vral-meta": 2},
        "title",
        "Claim C0",
    )(PAGE)
    signal = figure.axes[0]
    assert len(signal.lines) == 2  # an arm without rows has no curve
    x, y = signal.lines[0].get_data()
    np.testing.assert_allclose(x, np.arange(1, 11))
    np.testing.assert_allclose(y, 2 / np.arange(1, 11), rtol=1e-6)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["Standard", "LSGAN", "VRAL meta (2 diverged)"]
    assert "Standard 0.2, LSGAN 0.2" in figure.get_label()


def test_log_spaced_probes_keep_both_ends():
    probes = pl.DataFrame({"d_updates": np.arange(1, 501)})
    kept = log_spaced(probes, 10)["d_updates"].to_list()
    assert kept[0] == 1
    assert kept[-1] == 500
    assert len(kept) <= 10
    steps = np.diff(np.log(kept[3:]))
    np.testing.assert_allclose(steps, np.log(500) / 9, rtol=0.1)


@pytest.mark.parametrize("bandwidth", [0.05, 0.3, 0.7, 1.0, 1.5])
def test_the_optimal_variance_is_that_of_the_closed_form(bandwidth):
    forward = max(0.0, forward_parzen_variance(bandwidth))
    backward = max(0.0, backward_parzen_variance(bandwidth))
    h = np.array([bandwidth])
    assert optimal_variance(h, "forward") == pytest.approx(forward)
    assert optimal_variance(h, "backward") == pytest.approx(backward)


def test_the_parzen_figure_puts_medians_beside_the_theory():
    arms = {"vral-parzen+h=0.5": (0.5, "forward"), "vral-parzen+h=1": (1.0, "forward")}
    final = frame(
        arms,
        score_var_real=one(0.5),
        score_var_fake=lambda arm, ratio, seed, time: seed,
        signal_fake=one(2.0),
        coverage=lambda arm, ratio, seed, time: 0.1 * seed,
    )
    figure = figures.parzen(final, arms, "50", {"vral-parzen+h=1": 1})(PAGE)
    forward = figure.axes[0]
    theory = next(line for line in forward.lines if line.get_gid() == "theory")
    h, variance = theory.get_data()
    np.testing.assert_allclose(variance, np.where(h < 1, 1 - h**2, np.nan))  # an axis of logs
    covered = next(line for line in figure.axes[3].lines if line.get_marker() == "o")
    np.testing.assert_allclose(covered.get_ydata(), [0.1, 0.1])
    assert figure.axes[3].get_ylim() == (-0.03, 1.03)
    fake = next(line for line in forward.lines if line.get_marker() == "o")
    np.testing.assert_allclose(fake.get_xdata(), [0.5 * 1.03, 1.03])
    np.testing.assert_array_equal(fake.get_ydata(), [1.0, 1.0])
    assert forward.get_title() == "forward KL\ndiverged: 1 at h = 1"


def test_clipping_shows_the_coefficient_of_variation_of_seeds_that_lived():
    arms = ["wgan", "wgan+clip-all", "wgan-gp"]
    records = frame(arms, ("5",), 4, grad_norm_fake=one(1.0))
    final = frame(arms, ("5",), grad_norm_variation=lambda arm, ratio, seed, time: 0.1 * 2**seed)
    final = final.with_columns(
        diverged=(pl.col("method") == "wgan-gp")
        | (pl.col("method") == "wgan") & (pl.col("seed") == 2)
    )
    figure = figures.clipping(records, final, arms, "5", {"wgan-gp": 3})(PAGE)
    medians = [
        float(line.get_xdata()[0]) for line in figure.axes[1].lines if len(line.get_xdata()) == 1
    ]
    np.testing.assert_allclose(medians, [0.15, 0.2])


def test_interpolation_runs_along_the_segment():
    gammas = np.linspace(-0.5, 1.5, 5)
    rows = [
        {"method": "lsgan", "ratio": "50", "dataset": "digits", "seed": seed, "pairing": pairing}
        | {"gamma": g, "score_mean": seed - g, "score_low": -2.0, "score_high": 2.0}
        | {"grad_norm_mean": 1.0 + g, "grad_norm_low": 0.5, "grad_norm_high": 3.0}
        for seed in range(SEEDS)
        for pairing in ("random", "nearest")
        for g in gammas
    ]
    figure = figures.interpolation(pl.DataFrame(rows), ["lsgan", "wgan"], "50", {"wgan": 3})(PAGE)
    score, absent = figure.axes[0], figure.axes[1]
    x, y = score.lines[0].get_data()
    np.testing.assert_allclose(x, gammas)
    np.testing.assert_allclose(y, 1 - gammas)
    assert [t for t in texts(score) if t] == ["real", "fake"]
    assert texts(absent) == ["diverged"]
    assert "LSGAN 2" in figure.get_label()  # between the ends ‖∇D‖ runs from 1 to 2


def test_the_lipschitz_figure_has_a_dot_per_seed_and_probe_and_tells_the_rank_correlation():
    arms = ["lsgan", "r1"]
    probes = frame(
        arms,
        times=4,
        held_out_var_fake=lambda arm, ratio, seed, time: time,
        lipschitz=lambda arm, ratio, seed, time: time**2,
        latent_grad_square=lambda arm, ratio, seed, time: 2 * time,
    )
    figure = figures.lipschitz(probes, arms, "50", {})(PAGE)
    assert [len(line.get_xdata()) for line in figure.axes[0].lines] == [4 * SEEDS] * 2
    assert figure.axes[0].get_title() == "rank correlation 1.00 [1.00, 1.00]"
    line = next(line for line in figure.axes[1].lines if line.get_gid() == "poincare")
    np.testing.assert_array_equal(line.get_xdata(), line.get_ydata())


def test_necessity_puts_each_arm_s_median_in_its_row():
    arms = ["vral-meta", "moment", "lsgan-01"]
    readings = ("frechet", "held_out_var_fake", "ks_fake", "signal_fake", "lipschitz")
    final = frame(
        arms[:2], **{name: lambda arm, ratio, seed, time: 1 + seed + 10 * (arm == "moment")
                     for name in readings}
    )  # fmt: skip
    figure = figures.necessity(final, arms, "50", {("lsgan-01", "50"): SEEDS})(PAGE)
    first = figure.axes[0]
    assert dots(first) == [(0.0, 2.0), (1.0, 12.0)]
    assert texts(first) == ["no data"]
    names = [text.get_text() for text in first.get_yticklabels()]
    assert names == ["VRAL meta", "Moment penalty", "LSGAN 0/1 (3 diverged)"]


def test_usefulness_puts_both_readings_of_the_last_probe_into_each_method_s_row():
    arms = {"wgan-gp+good": "wgan-gp", "lsgan+good": "lsgan"}
    probes = frame(
        arms, times=2, usefulness_cosine_permuted=one(0.05), usefulness_w2_square=one(9.0),
        usefulness_cosine=lambda arm, _, seed, time: 0.1 * seed + time + 2 * (arm in "lsgan+good"),
        usefulness_w2_drop=lambda arm, _, seed, time: 3.0 * time,
    )  # fmt: skip
    figure = figures.usefulness(probes, {"good": arms}, {}, "a caption")(PAGE)
    end = figure.axes[1]
    rows = [(y, x) for y, x in dots(end)]
    assert [round(y) for y, _ in rows] == [0, 0, 1, 1]
    np.testing.assert_allclose([x for _, x in rows], [2.1, 1.0, 4.1, 1.0])
    assert [text.get_text() for text in end.get_yticklabels()] == ["WGAN-GP", "LSGAN"]


def test_modes_are_shares_of_all():
    final = frame(
        ["lsgan"],
        ("1", "50"),
        modes_covered=lambda arm, ratio, seed, time: 8 if ratio == "1" else 2,
        reverse_kl=one(0.5),
    )
    lost = {("lsgan", "50"): 2}
    figure = figures.modes(final, ["lsgan"], ["1", "50"], 8, lost)(PAGE)
    covered, divergence = figure.axes
    names = [text.get_text() for text in covered.get_yticklabels()]
    assert names == ["LSGAN (2 at 50:1\ndiverged)"]
    alone = figures.modes(final, ["lsgan"], ["1"], 8, lost)(PAGE).axes[0]
    assert [text.get_text() for text in alone.get_yticklabels()] == ["LSGAN"]
    assert [x for _, x in dots(covered, "o") + dots(covered, "D")] == [1.0, 0.25]
    assert divergence.get_xlabel() == "reverse KL to the modes, nats"


def test_artefacts_compare_within_a_seed():
    final = frame(
        ["standard", "wgan-gp", "standard+same-real", "lsgan"],
        ("10", "50"),
        grad_square_fake=lambda arm, ratio, seed, time: 1 + seed,
        grad_square_real=one(1.0),
        held_out_mean_fake=one(0.0),
        held_out_var_fake=one(1.0),
        frechet=lambda arm, ratio, seed, time: (1 + seed) * (2 if arm.endswith("real") else 1),
    )
    diverged = {("lsgan", "10"): 3, ("wgan-gp", "10"): 5}
    ax = figures.artefacts(final, 64, diverged)(PAGE).axes[0]
    assert [text for text in texts(ax) if "diverged" in text] == ["× 1 [1, 1], 3 diverged"]
    found = dict(dots(ax))
    names = [text.partition(" · ")[0] for text in texts(ax) if " · " in text]
    assert found[names.index("norms on two scales")] == pytest.approx(64)
    assert found[names.index("rows of 99 never written")] == pytest.approx(6.22, abs=0.01)
    assert found[names.index("one real batch for all k updates")] == pytest.approx(2)
    assert found[names.index("10:1 filed as 50:1")] == pytest.approx(1)
    assert texts(ax).count("no data") == 6


def test_arms_of_a_method_differ_in_shade_and_dash_and_the_method_itself_is_plain():
    styles = arm_styles(["wgan+clip=0.01", "wgan", "wgan+clip-all", "lsgan"])
    assert list(styles) == ["wgan+clip=0.01", "wgan", "wgan+clip-all", "lsgan"]
    assert styles["wgan"].dash == "-"
    for part in ("colour", "dash", "marker"):
        assert len({getattr(styles[arm], part) for arm in styles if arm != "lsgan"}) == 3


def test_arms_of_a_method_alone_have_hues_of_their_own():
    arms = [arm.name for arm in EXPERIMENTS["noise"].arms]
    first, *others = (rgb_to_hsv(to_rgb(style.colour)) for style in arm_styles(arms).values())
    assert tuple(first) == tuple(rgb_to_hsv(to_rgb(METHODS["standard"].colour)))
    hues = np.sort([hue for hue, *_ in others])
    assert np.diff([*hues, hues[0] + 1]).min() > 0.05
    assert min(saturation for _, saturation, _ in others) > 0.4


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_study_without_readings_can_be_drawn(name, tmp_path):
    row = EXPERIMENTS[name]
    arms = [arm.name for arm in row.arms[:2]]
    data, ratios = row.datasets[0], row.ratios[:1]
    selection = Selection(tmp_path, data, arms, ratios, range(2), {}, 64, "mlp", 0)
    for draw in FIGURES[name](selection).values():
        for width in (PAGE, PHONE):
            figure = draw(width)
            assert isinstance(figure, Figure)
            assert figure.get_label()
            assert 0 < figure.get_figwidth() <= width


@pytest.mark.parametrize(
    ("name", "told"), [("ratios", "Claims C7, C8 ·"), ("mode-collapse", "Claim P1 ·")]
)
def test_samples_name_the_claims_of_their_experiment(name, told, tmp_path):
    row = EXPERIMENTS[name]
    selection = Selection(tmp_path, row.datasets[0], ["lsgan"], ["1"], [0], {}, 64, "mlp", 0)
    assert FIGURES[name](selection)["samples"](PAGE).get_supxlabel().startswith(told)


def families_in(text: str) -> set[str]:
    """The families of claims that a caption names: "C3 to C5, P1" names C3, C4, C5 and P1."""
    names = set(re.findall(r"\b[ACPQT]\d*\b", text))
    for letter, first, last in re.findall(r"\b([CPQT])(\d+) to \1(\d+)\b", text):
        names |= {f"{letter}{i}" for i in range(int(first), int(last) + 1)}
    return names


def test_every_claim_is_named_on_a_figure_that_its_experiment_draws(tmp_path):
    from vral.claims.catalogue import claims_of, families

    tiny = {"rounds": 1, "width": 4, "batch": 8, "latent": 2, "seeds": (0,)}
    row = EXPERIMENTS["toy2d"]  # it draws W1 where that was measured
    config = row.config(row.arms[0], "1", row.datasets[0], **tiny)
    execute(config, tmp_path / "toy2d" / folder_name(config))
    for name, row in EXPERIMENTS.items():
        arms, data = [row.arms[0].name], row.datasets[0]
        selection = Selection(tmp_path / name, data, arms, row.ratios[-1:], [0], {}, 64, "mlp", 0)
        drawn = FIGURES[name](selection)
        assert {claim.figure for claim in claims_of(name)} <= drawn.keys()
        for title, draw in drawn.items():
            caption = " ".join(draw(PAGE).get_supxlabel().split())
            assert set(families(name, title)) <= families_in(caption), (name, title, caption)


def test_points_are_drawn_over_the_data_and_those_outside_are_counted():
    real = np.array([[1.0, 0.0], [0.0, -1.0]])
    found = np.array([[0.9, 0.1], [0.0, 0.2], [0.3, 0.3], [9.0, 0.0]])
    draw = figures.sample_grids({("lsgan", "1"): found}, ["lsgan"], ["1"], "Claim C0", real)
    (panel,) = draw(PAGE).axes
    assert panel.get_xlim() == panel.get_ylim() == (-1.25, 1.25)
    assert [text.get_text() for text in panel.texts] == ["25% outside"]
    np.testing.assert_array_equal(panel.lines[0].get_xydata(), real)
    np.testing.assert_array_equal(panel.lines[1].get_xydata(), found)


def test_the_trade_off_is_drawn_in_closed_form_with_the_measured_points_beside_it():
    points = pl.DataFrame(
        {
            "method": ["vral-meta"] * 3 + ["vral-parzen"],
            "gap": [1.0, 1.0, 1.0, 6.0],
            "auc": [0.7, 0.9, 0.8, 0.2],
            "pushed_back": [0.1, 0.3, float("nan"), 0.0],
            "slope_per_gap": [2.0, 50.0, 80.0, 0.1],
        }
    )
    figure = figures.trade_off(points)(figures.PAGE)
    auc, variation, pushed, slope = figure.axes
    for ax, wanted in (
        (auc, lambda d: norm.cdf(d / np.sqrt(2))),
        (variation, lambda d: 2 * norm.cdf(d / 2) - 1),
        (pushed, lambda d: norm.cdf(-d)),
        (slope, lambda d: 1 / d**2),
    ):
        curve = next(line for line in ax.lines if line.get_gid() == "theory")
        d, height = curve.get_data()
        np.testing.assert_allclose(height, wanted(d), atol=1e-12)
        assert d[-1] == pytest.approx(6.6)  # the widest gap has room
        marks = {line.get_gid(): line for line in ax.lines if str(line.get_gid()).startswith("d=")}
        np.testing.assert_allclose(
            [float(marks[f"d={d}"].get_ydata()[0]) for d in (1, 2)], [wanted(1.0), wanted(2.0)]
        )
    bare = figures.trade_off()(figures.PAGE)
    measured = [
        [
            (float(line.get_xdata()[0]), float(line.get_ydata()[0]))
            for line in ax.lines
            if len(line.get_xdata()) == 1 and line.get_gid() is None
        ]
        for ax in (*figure.axes, *bare.axes)
    ]
    assert measured[:4] == [
        [(1.0, 0.8), (6.0, 0.2)],
        [],
        [(1.0, 0.2), (6.0, 0.0)],
        [(1.0, 50.0), (6.0, 0.1)],
    ]
    assert measured[4:] == [[], [], [], []]
    assert slope.get_ylim()[1] > 80
    assert auc.get_ylim()[0] < 0.2  # D that takes fakes for reals
    assert texts(auc) == ["accuracy", ".760"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "VRAL meta",
        "VRAL Parzen",
    ]
    assert bare.legends == []
    assert "AUC 0.760, total variation 0.383, 0.159" in bare.get_label()


def test_the_overview_leaves_out_and_counts_arms_that_were_not_played_at_every_ratio():
    tables = gallery.Made("ratios").tables
    arms = ["lsgan", "vral-meta", "wgan-gp"]
    ratios = ["1", "50"]

    def shown(records):
        draw = figures.overview(records, tables["probes"], {}, arms, ratios, {}, "title")
        figure = draw(PAGE)
        return {ax.get_title() for ax in figure.axes} - {""}, figure.texts[-1].get_text()

    full = tables["records"].filter(pl.col("ratio").is_in(ratios))
    every = {label(arm) for arm in arms}
    titles, note = shown(full)
    assert {title.replace("\n", " ") for title in titles} == every
    assert "not played" not in note
    titles, note = shown(full.filter((pl.col("method") != "lsgan") | (pl.col("ratio") == "1")))
    assert {title.replace("\n", " ") for title in titles} == every - {"LSGAN"}
    assert "left out: 1 arm not played at every ratio" in " ".join(note.split())
    titles, note = shown(full.filter(pl.col("ratio") == "1"))
    assert {title.replace("\n", " ") for title in titles} == every
    assert "not played" not in note


def test_panels_that_end_at_another_update_have_ticks_of_their_own():
    """Otherwise the numbers below the last row would be read as theirs."""
    tables = gallery.Made("ratios").tables
    arm = tables["records"]["method"][0]
    one = tables["records"].filter(pl.col("method") == arm, pl.col("ratio") == "50")

    def shown(stretched):
        records = pl.concat(
            one.with_columns(pl.col("g_updates") * factor, ratio=pl.lit(ratio))
            for ratio, factor in (("1", stretched), ("50", 1))
        )
        draw = figures.overview(records, tables["probes"], {}, [arm], ["1", "50"], {}, "title")
        return [ax.xaxis.get_tick_params()["labelbottom"] for ax in draw(PAGE).axes[2:6]]

    assert shown(1) == [False, False, False, True]
    assert shown(5) == [True, False, True, True]
