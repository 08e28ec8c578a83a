"""Figures as the page embeds them."""

import io

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from vral.report import pictures
from vral.study.methods import METHODS


def test_a_picture_has_two_pixels_for_each_of_css_and_a_bounded_width():
    for inches in (4, 20):
        figure = Figure(figsize=(inches, 2))
        figure.add_subplot().plot([0, 1], [0, 1])
        made = pictures.picture(figure)
        image = Image.open(io.BytesIO(made.png))
        assert (made.width, made.height) == (image.width // 2, image.height // 2)
        assert image.width <= pictures.MOST_PIXELS
        assert len(image.convert("RGB").getcolors(2**20)) > 2
    assert made.width > 0.75 * pictures.MOST_PIXELS / 2  # axes: 0.775 of the width, then cropped


def test_a_picture_keeps_the_hues_of_its_lines():
    """Thin lines of the methods' colours beside grey images, whose shades would fill a palette."""
    hues = [row.colour for row in METHODS.values()][:8]
    drawing = Figure(figsize=(8, 8))
    for i, ax in enumerate(drawing.subplots(2, 4).flat):
        noise = np.random.default_rng(i).random((40, 40))
        ax.imshow(noise, cmap="gray", interpolation="bilinear")
        ax.axhline(20, color=hues[i], lw=1)
    image = Image.open(io.BytesIO(pictures.picture(drawing).png)).convert("RGB")
    colours = np.unique(np.asarray(image).reshape(-1, 3), axis=0).astype(int)
    for hue in hues:
        wanted = np.round(255 * np.array(to_rgb(hue))).astype(int)
        assert np.abs(colours - wanted).max(1).min() <= 4
