"""Data frames to matplotlib figures: one pure function per kind of figure.

It returns a drawing, which is laid out for a page or a phone: ``figures.modes(…)(figures.PAGE)``.
A method has one colour everywhere, real data is always dark, and a curve names its clock. Every
figure's label (``figure.get_label()``) is its alternative text: what is drawn, and the numbers that
a reader would take from it.
"""

from vral.figures.budget import budget, same_budget
from vral.figures.curves import clipping, held_generator, interpolation
from vral.figures.dots import artefacts, modes, necessity, readings
from vral.figures.files import save, save_figures
from vral.figures.panels import (
    draw_band,
    draw_dots,
    draw_gradient_and_variance,
    draw_histogram,
    draw_samples,
)
from vral.figures.ratios import (
    generator_gradients,
    gradients_and_variance,
    histograms,
    overview,
    sample_grids,
)
from vral.figures.relations import lipschitz, parzen
from vral.figures.spectra import damping, eigenvalues
from vral.figures.style import PAGE, PHONE, STYLE, ArmAtRatio, Drawing, ratio_label
from vral.figures.trade_off import trade_off
from vral.figures.usefulness import usefulness
from vral.figures.wasserstein import transport

__all__ = [
    "PAGE",
    "PHONE",
    "STYLE",
    "ArmAtRatio",
    "Drawing",
    "artefacts",
    "budget",
    "clipping",
    "damping",
    "draw_band",
    "draw_dots",
    "draw_gradient_and_variance",
    "draw_histogram",
    "draw_samples",
    "eigenvalues",
    "generator_gradients",
    "gradients_and_variance",
    "held_generator",
    "histograms",
    "interpolation",
    "lipschitz",
    "modes",
    "necessity",
    "overview",
    "parzen",
    "ratio_label",
    "readings",
    "same_budget",
    "sample_grids",
    "save",
    "save_figures",
    "trade_off",
    "transport",
    "usefulness",
]
