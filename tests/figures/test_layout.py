"""Every figure, on a page and on a phone: what a reader's eye needs, as facts on what is drawn."""

import io
import json
from functools import cache
from itertools import combinations
from pathlib import Path

import gallery
import numpy as np
import polars as pl
import pytest
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import rgb_to_hsv, to_rgb, to_rgba
from matplotlib.image import AxesImage
from matplotlib.path import Path as Outline
from matplotlib.text import Text
from matplotlib.transforms import Affine2D, Bbox
from PIL import Image

from vral import figures
from vral.diagnostics.gamma_sweep import GammaSweep
from vral.diagnostics.spectrum import Spectrum
from vral.dynamics import basins, damping, lazy_r1, mixture_spectrum, portraits, score_map
from vral.dynamics.systems import ALGORITHMS, System
from vral.figures import PAGE, PHONE, STYLE, spectra, style
from vral.figures.experiments import FIGURES
from vral.games.dirac import dirac
from vral.study.numbers import number

PUBLISHED = Path(__file__).parents[2] / "runs" / "published"
CSS = 96
"""CSS pixels per inch."""
SCREENS = {"phone": (380, PHONE), "page": (1000, PAGE)}
"""A screen's width in CSS pixels, and the paper that the page shows on it."""
LEGIBLE = 9.0
"""CSS pixels: the height of the smallest letters' body on a screen."""
QUICK = ("artefacts", "clipping", "parzen")
"""Studies whose figures are drawn in every run of the tests; the others take longer."""


def drawn_texts(figure):
    """Every text that drawing ``figure`` puts on the paper, with its outline in pixels."""
    found, put = [], Text.draw

    def draw(self, renderer, *args, **kwargs):
        put(self, renderer, *args, **kwargs)
        if self.get_text().strip() and self.get_visible():
            found.append((self, _outline(self, renderer)))

    with pytest.MonkeyPatch.context() as patch, rc_context(STYLE):
        patch.setattr(Text, "draw", draw)
        FigureCanvasAgg(figure).draw()
    return found


def _outline(text, renderer):
    """The corners (4, 2) of a text's box, turned as it is."""
    if text.get_rotation() % 90 == 0:
        return text.get_window_extent(renderer).corners()
    angle = text.get_rotation()
    text.set_rotation(0)
    corners = text.get_window_extent(renderer).corners()
    place = text.get_transform().transform(text.get_position())
    text.set_rotation(angle)
    return Affine2D().rotate_deg_around(*place, angle).transform(corners)


def _touch(first, second):
    one, two = (Bbox.null().union([Bbox([c.min(0), c.max(0)])]) for c in (first, second))
    if not one.overlaps(two):
        return False
    # The corners of a box are (left, low), (left, high), (right, low), (right, high).
    around = [Outline(corners[[0, 1, 3, 2, 0]], closed=True) for corners in (first, second)]
    return around[0].intersects_path(around[1], filled=True)


def touching(texts):
    named = [(text.get_text(), corners) for text, corners in texts]
    return [(a, b) for (a, one), (b, two) in combinations(named, 2) if _touch(one, two)]


def outside(figure, texts):
    """Texts that leave the paper by more than a pixel."""
    room = figure.bbox.padded(1)
    return [
        text.get_text()
        for text, corners in texts
        if not all(room.contains(*corner) for corner in corners)
    ]


def smallest_letters(figure, texts, screen, paper):
    """CSS pixels of the smallest letters where ``figure`` is shown on a screen."""
    margins = 2 * max(16, min(48, 0.04 * screen)) + 2
    shrunk = min(1.0, (screen - margins) / (figure.get_figwidth() * CSS))
    assert figure.get_figwidth() <= paper
    return shrunk * CSS / 72 * min(text.get_fontsize() for text, _ in texts)


def legends_on_panels(figure):
    renderer = FigureCanvasAgg(figure).get_renderer()
    legends = [*figure.legends, *filter(None, (ax.get_legend() for ax in figure.axes))]
    return [
        (legend, ax)
        for legend in legends
        for ax in figure.axes
        if legend.get_window_extent(renderer).overlaps(ax.get_window_extent(renderer))
    ]


def log_axes(figure):
    return [
        (ax, which)
        for ax in figure.axes
        for which in "xy"
        if getattr(ax, f"get_{which}scale")() == "log"
    ]


def marks(figure):
    return [line for ax in figure.axes for line in ax.lines if line.get_gid() == style.ZERO]


def plunges(ax, which, least):
    """Whether a curve falls below ``least``, or the axis reaches far below it."""
    along = "xy".index(which)
    curves = [
        line.get_xydata()[:, along]
        for line in ax.lines
        if len(line.get_xdata()) > 2
        and line.get_gid() != style.ZERO
        and line.get_transform().contains_branch_seperately(ax.transData)[along]
    ]
    values = np.concatenate([np.empty(0), *curves])
    low = getattr(ax, f"get_{which}lim")()[0]
    return bool((values < least).any() or low < least / 100)


def check(name, draw, least):
    for screen, paper in SCREENS.values():
        figure = draw(paper)
        where = f"{name}, {screen} px"
        texts = drawn_texts(figure)
        assert touching(texts) == [], where
        assert outside(figure, texts) == [], where
        assert smallest_letters(figure, texts, screen, paper) >= LEGIBLE, where
        assert legends_on_panels(figure) == [], where
        assert not any(plunges(ax, which, least) for ax, which in log_axes(figure)), where
        told = "triangles at an edge" in " ".join(figure.get_supxlabel().split())
        assert told == bool(marks(figure)), where


studies = pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name not in QUICK)) for name in FIGURES],
)


@studies
def test_a_study_s_figures_can_be_read_on_a_page_and_on_a_phone(name):
    """No texts touch or leave the paper, none is too small, no legend lies on a panel; a reading
    of 0 is a gap with a mark at the edge of a log axis."""
    for title, draw in gallery.of_study(name).items():
        # Changes by a factor are quotients of readings; final values are means, of zeros too.
        least = {
            "artefacts": gallery.LEAST**2 / 1e3,
            "tuning": gallery.LEAST / gallery.ROUNDS,
            "norm": gallery.LEAST / gallery.ROUNDS,
        }
        check(title, draw, least.get(title, gallery.LEAST))
        logarithmic = [ax for ax, which in log_axes(draw(PAGE)) if ax.lines]
        if logarithmic and title not in ("artefacts", "usefulness"):  # Cosines are not on one.
            assert marks(draw(PAGE)), title
    for title, draw in gallery.of_study(name, zeros=False).items():
        assert marks(draw(PAGE)) == [], title


@pytest.mark.slow
def test_the_deterministic_figures_can_be_read_on_a_page_and_on_a_phone():
    for name, draw in gallery.without_seeds().items():
        check(name, draw, style.FLOOR)


def made_portraits(*eigenvalues):
    """A row of portraits for each set of eigenvalues; its fields and paths are made up."""
    plane = np.linspace(-2.2, 2.2, portraits.FIELD_POINTS)
    field = np.stack(np.meshgrid(plane, -plane), axis=-1).reshape(-1, 2)
    path = np.linspace([[1.0, 1.0]], [[0.0, 0.0]], 5)
    return portraits.figure(
        [
            portraits.Portrait(
                System("VRAL Parzen fwd, R1 0.3", "vral-parzen", dirac("standard")),
                algorithm,
                field,
                path,
                values,
            )
            for values in eigenvalues
            for algorithm in ALGORITHMS
        ],
        0.2,
        500,
    )


def made_basins():
    """From one start none arrives, from half of them half, then all."""
    some = np.arange(16).reshape(4, 4) % 2 == 0
    arrived = np.stack([np.zeros((4, 4), bool), some, np.ones((4, 4), bool)])
    maps = {(method, "AltGD 1:5"): arrived for method in basins.DIRECTIONS}
    return basins.figure(maps, (0.1, 1.0, 4.0), 0.2, 3000)


def made_damping():
    strengths, steps = np.linspace(0, 4, 5), np.geomspace(0.02, 8, 5)
    curves = pl.concat(
        pl.DataFrame(
            {"strength": strengths, "abscissa": -strengths, "imaginary": strengths}
        ).with_columns(regulariser=pl.lit(name))
        for name in damping.FAMILIES
    )
    radii = np.outer(steps, np.ones(5)) / 6
    return damping.figure(curves, dict.fromkeys(ALGORITHMS, radii), strengths, steps)


def test_titles_of_neighbouring_portraits_do_not_touch():
    pair = np.array([-0.975 + 0.222j, -0.975 - 0.222j])
    check("portraits", made_portraits(np.append(pair, 485.0), None), style.FLOOR)


def test_maps_of_starts_and_of_rates_can_be_read_on_a_page_and_on_a_phone():
    check("basins", made_basins(), style.FLOOR)
    for ax in made_basins()(PHONE).axes:  # a mark beside a share would be read as its minus
        assert {tick.tick1line.get_markersize() for tick in ax.yaxis.get_major_ticks()} == {0}
    check("damping", made_damping(), 0.02)


@pytest.mark.parametrize("points", [4, 20])
def test_the_map_of_the_score_game_can_be_read_on_a_page_and_on_a_phone(points):
    """With all its cells and in its quick form; the theory's line lies within the map."""
    setup = score_map.Setup(points=points)
    draw = score_map.figure(setup, gallery.score_cells(setup))
    check("score-game", draw, style.FLOOR)
    lines = [line for line in draw(PAGE).axes[0].lines if len(line.get_xdata()) > 2]
    assert lines
    for line in lines:
        assert line.get_xdata().min() >= -0.5
        assert line.get_ydata().min() >= -0.5


def test_the_check_sees_titles_that_touch():
    figure, axes = style.grid(3.0, 1, 3, 1.0)
    for ax in axes.flat:
        ax.set_title("a title that is too long for its panel")
    texts = drawn_texts(figure)
    assert ("a title that is too long for its panel",) * 2 in touching(texts)
    assert outside(figure, texts)


def test_a_gap_stands_where_a_curve_reads_zero():
    values = np.array([1.0, 0.0, 0.0, 0.01, 0.0, 0.1])
    curve = pl.DataFrame({"t": range(6), "median": values, "low": 0 * values, "high": 2 * values})
    figure, axes = style.grid(3.0, 1, 1, 2.0)
    ax = axes[0, 0]
    figures.draw_band(ax, curve, "t", color="black")
    style.log_axis(ax)
    edge, line, alone = ax.lines
    assert edge.get_gid() == style.ZERO
    np.testing.assert_array_equal(line.get_ydata(), [1.0, np.nan, np.nan, 0.01, np.nan, 0.1])
    np.testing.assert_array_equal(alone.get_xdata(), [0, 3, 5])  # no line would show them
    np.testing.assert_array_equal(edge.get_xdata(), [1, 2, 4])
    assert set(edge.get_ydata()) == {0.0}
    assert not edge.get_transform().contains_branch_seperately(ax.transData)[1]
    assert 0.001 < ax.get_ylim()[0] <= 0.01
    with rc_context(STYLE):
        FigureCanvasAgg(figure).draw()  # a band that reaches the edge can be drawn


def test_a_trajectory_ends_where_it_leaves_the_log_axis():
    radii = np.array([[[1e-1, 1e-1]], [[1e-9, 1e-2]], [[1e-15, 1e-3]]])
    rates = pl.DataFrame(
        {"algorithm": ["SimGD"] * 2, "gamma": [1.0] * 2, "interval": [1, 32], "rate": [0.9, 1.1]}
    )
    figure = lazy_r1.figure(rates, radii, [1.0], [1, 32], 0.1)(PAGE)
    course = figure.axes[1]
    (edge,) = marks(figure)
    assert list(edge.get_xdata()) == [2]
    assert course.get_ylim()[0] > style.FLOOR
    assert not plunges(course, "y", style.FLOOR)


def spectrum_of(*values):
    return Spectrum(np.array(values, complex), len(values), 0.5)


def test_the_cloud_of_a_mixture_gan_s_eigenvalues_is_seen():
    spectra_of = gallery._spectra()
    figure = mixture_spectrum.figure(mixture_spectrum.Setup(), spectra_of)(PAGE)
    assert {ax.get_xscale() for ax in figure.axes} == {"symlog"}
    assert {ax.get_yscale() for ax in figure.axes} == {"symlog"}
    assert len({(ax.get_xlim(), ax.get_ylim()) for ax in figure.axes}) == 1
    for ax in figure.axes:
        for part, axis in ((np.real, 0), (np.imag, 1)):
            values = part(spectra_of["none", "before"].eigenvalues)
            points = np.zeros((len(values), 2))
            points[:, axis] = values
            places = ax.transLimits.transform(ax.transScale.transform(points))[:, axis]
            low, high = np.quantile(places, (0.1, 0.9))
            assert high - low > 0.1
        assert np.isin(0.0, ax.get_xticks())


@pytest.mark.parametrize("spread", [(-3, 0), (-3.3, -0.7), (-2, 1.5), (-6, 4), (0, 12)])
def test_ticks_of_a_spectrum_have_room_whatever_it_spans(spread):
    """From a narrow cloud to one over ten powers of ten, some ticks on either side of 0."""
    tail = np.geomspace(10.0 ** spread[0], 10.0 ** spread[1], 5)
    values = np.concatenate([np.full(30, 10.0 ** spread[0]), tail, -tail])
    cloud = spectrum_of(*(values + 1j * values), *(values - 1j * values))
    draw = spectra.eigenvalues([[("v", cloud), ("w", cloud)]], "A game")
    for width in (PAGE, PHONE):
        figure = draw(width)
        assert figure.axes[0].get_xscale() == "symlog"
        assert touching(drawn_texts(figure)) == []
        for axis in (figure.axes[0].xaxis, figure.axes[0].yaxis):
            low, high = axis.get_view_interval()
            assert sum(low <= tick <= high for tick in axis.get_majorticklocs()) >= 3


def test_few_eigenvalues_keep_linear_axes():
    figure = spectra.eigenvalues([[("pair", spectrum_of(-0.1 + 1j, -0.1 - 1j))]], "A game")(PAGE)
    assert figure.axes[0].get_xscale() == "linear"


def is_alarming(colour):
    """Whether a colour is red or orange, the colours of warnings."""
    hue, saturation, value = rgb_to_hsv(to_rgb(colour))
    return saturation > 0.4 and value > 0.4 and (hue < 45 / 360 or hue > 330 / 360)


def test_success_is_not_drawn_in_the_colour_of_an_alarm():
    assert is_alarming("#e41a1c")
    assert is_alarming(style.ALARM)
    figure = made_basins()(PAGE)
    images = [image for ax in figure.axes for image in ax.images]
    assert "100 %" in [text.get_text() for ax in figure.axes for text in ax.texts]
    assert len({to_rgba(image.cmap(1.0)) for image in images}) == 1  # one meaning, one colour
    for image in images:
        assert not is_alarming(image.cmap(1.0))
        assert image.cmap(0.0)[:3] == (1.0, 1.0, 1.0)


def test_what_shrinks_is_calm_and_what_grows_is_not():
    """Of a field and of a round, and the mark from which γ on a run is stable."""
    field = spectrum_of(-1.0, 0.5)
    around = Spectrum(np.array([0.5, 1.5], complex), 2, 0.5, update=True)
    figure = spectra.eigenvalues([[("field", field), ("round", around)]], "A run")(PAGE)
    for ax, (calm, growing) in zip(figure.axes, ((-1.0, 0.5), (0.5, 1.5)), strict=True):
        colours = {
            float(line.get_xdata()[0]): line.get_color()
            for line in ax.lines
            if line.get_marker() == "o" and len(line.get_xdata())
        }
        assert not is_alarming(colours[calm])
        assert is_alarming(colours[growing])
    gammas = np.linspace(0, 2, 5)
    sweep = GammaSweep(gammas, 0.3 - gammas, gammas > 0.4, 0 * gammas, 0.3)
    stable = [
        line.get_color()
        for line in spectra.damping(sweep, "A run")(PAGE).axes[0].lines
        if list(line.get_xdata()) == [0.3, 0.3]
    ]
    assert stable
    assert not any(map(is_alarming, stable))


def test_every_colour_scale_can_be_told_apart_by_the_colour_blind_and_none_ends_in_red():
    scales = [
        artist
        for figure in (made_damping()(PAGE), made_damping()(PHONE), made_basins()(PAGE))
        for ax in figure.axes
        for artist in (*ax.images, *ax.collections)
        if artist.get_array() is not None and not isinstance(artist, LineCollection)
    ]
    assert any(not isinstance(scale, AxesImage) for scale in scales)
    for scale in scales:
        colours = np.array([to_rgb(scale.cmap(at)) for at in np.linspace(0, 1, 20)])
        lightness = colours @ [0.2126, 0.7152, 0.0722]
        steps = np.diff(lightness)
        assert (steps <= 1e-6).all() or (steps >= -1e-6).all()
        assert not any(map(is_alarming, colours))


def published(name):
    return pl.read_csv(PUBLISHED / name / "final.csv").with_columns(
        pl.col("ratio").cast(pl.String), pl.col("diverged").cast(pl.Boolean)
    )


@cache
def published_verdicts():
    return json.loads((PUBLISHED / "claims.json").read_text())


def test_a_defect_s_change_is_the_number_that_its_claim_prints():
    """×0.378 in a picture and 2.65 in words were the same quotient, read in two directions."""
    claims = [
        c
        for c in published_verdicts()["verdicts"]
        if c["claim"].startswith("A.") and c["standing"] != "withdrawn"
    ]
    assert len(claims) == 9
    for width in (PAGE, PHONE):
        figure = figures.artefacts(published("artefacts-digits"), 64, {})(width)
        written = [text.get_text() for text in figure.axes[0].texts]
        for claim in claims:
            effect, low, high = (claim[part] for part in ("effect", "low", "high"))
            printed = f"{number(effect)} [{number(low, 2)}, {number(high, 2)}]"
            assert any(printed in text for text in written), (claim["claim"], printed)
            assert printed in figure.get_label()


def test_arms_that_share_a_panel_differ_in_look():
    records = gallery.Made("ratios").tables["records"]
    arms = gallery.Made("ratios").arms
    ax = figures.generator_gradients(records, arms, ["1"])(PAGE).axes[0]
    looks = [
        (to_rgba(line.get_color()), str(line.get_linestyle()), line._dash_pattern)
        for line in ax.lines
        if line.get_gid() != style.ZERO and line.get_marker() == "None"
    ]
    assert len(looks) > 3
    assert len(set(map(str, looks))) == len(looks)


def test_the_legend_of_w1_tells_how_often_d_moves():
    draw = gallery.of_study("toy2d")["transport"]
    names = [text.get_text() for text in draw(PHONE).legends[0].get_texts()]
    assert "WGAN-GP 1 (D:G = 1:1)" in names
    assert "WGAN-GP 5 (D:G = 5:1)" in names


def test_a_text_is_wrapped_at_the_measured_width():
    text = "several words that have to be set in a narrow column of a figure"
    lines = style.wrap(text, 8, 1.2).split("\n")
    assert " ".join(lines) == text
    assert len(lines) > 2
    figure, _ = style.grid(3.0, 1, 1, 1.0)
    renderer = FigureCanvasAgg(figure).get_renderer()
    for line in lines:
        drawn = figure.text(0, 0, line, fontsize=8)
        assert drawn.get_window_extent(renderer).width / figure.dpi <= 1.2 * 1.02


def test_a_notebook_shows_a_drawing_in_its_true_size():
    picture = Image.open(io.BytesIO(made_basins()._repr_png_()))
    assert picture.width == int(CSS * made_basins()(PAGE).get_figwidth())
