"""Figures as the page embeds them."""

import dataclasses
import io

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from vral.figures import PAGE, PHONE, save_figures
from vral.report import pictures
from vral.study.methods import METHODS


def drawn(width):
    figure = Figure(figsize=(width, 2))
    figure.add_subplot().plot([0, 1], [0, 1])
    return figure


def test_a_picture_has_two_pixels_for_each_of_css_on_a_page_and_on_a_phone():
    made = pictures.picture(drawn)
    for shown, inches in ((made, PAGE), (made.phone, PHONE)):
        image = Image.open(io.BytesIO(shown.png))
        assert (shown.width, shown.height) == (image.width // 2, image.height // 2)
        assert shown.width == int(96 * inches)
        assert len(image.convert("RGB").getcolors(2**20)) > 2
    assert made.phone.phone is None


def test_a_saved_picture_has_the_one_for_a_phone_where_that_was_drawn(tmp_path):
    save_figures(tmp_path, {"line": drawn})
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.p*")) == [
        "line.pdf",
        "line.png",
        "phone/line.png",
    ]
    made = pictures.saved_picture(tmp_path / "line.png")
    assert (made.width, made.phone.width) == (int(96 * PAGE), int(96 * PHONE))
    (tmp_path / "phone" / "line.png").unlink()
    assert pictures.saved_picture(tmp_path / "line.png").phone is None


def test_a_wider_picture_in_a_file_is_shrunk(tmp_path):
    drawn(20).savefig(tmp_path / "wide.png", dpi=192)
    assert pictures.saved_picture(tmp_path / "wide.png").width == pictures.MOST_PIXELS // 2


def test_a_picture_keeps_the_hues_of_its_lines():
    """Thin lines of the methods' colours beside grey images, whose shades would fill a palette."""
    hues = [row.colour for row in METHODS.values()][:8]
    drawing = Figure(figsize=(8, 8))
    for i, ax in enumerate(drawing.subplots(2, 4).flat):
        noise = np.random.default_rng(i).random((40, 40))
        ax.imshow(noise, cmap="gray", interpolation="bilinear")
        ax.axhline(20, color=hues[i], lw=1)
    image = Image.open(io.BytesIO(pictures.picture(lambda _: drawing).png)).convert("RGB")
    colours = np.unique(np.asarray(image).reshape(-1, 3), axis=0).astype(int)
    for hue in hues:
        wanted = np.round(255 * np.array(to_rgb(hue))).astype(int)
        assert np.abs(colours - wanted).max(1).min() <= 4


def test_pictures_are_made_smaller_until_they_fit_the_largest_first():
    noise = np.random.default_rng(0).integers(0, 256, (400, 600, 3), dtype=np.uint8)

    def shown(height):
        content = io.BytesIO()
        Image.fromarray(noise[:height]).save(content, "png")
        return pictures.Picture(content.getvalue(), 300, height // 2)

    given = {"large": shown(400), "small": shown(40)}
    total = sum(picture.size for picture in given.values())
    assert pictures.fitted(given, total) == given
    some = pictures.fitted(given, total - 1)
    assert some["small"] == given["small"]
    assert some["large"].size < given["large"].size
    assert (some["large"].width, some["large"].height) == (300, 200)
    assert Image.open(io.BytesIO(some["large"].png)).size == (600, 400)
    least = pictures.fitted(given, 0)
    for name, picture in given.items():
        assert least[name] == picture.thinned(len(pictures.STEPS))
        assert Image.open(io.BytesIO(least[name].png)).width == 300  # one for each CSS pixel
    both = {"figure": dataclasses.replace(given["large"], phone=given["small"])}
    assert pictures.fitted(both, 0)["figure"].phone is None
