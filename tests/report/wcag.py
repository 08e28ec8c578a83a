"""Contrast as the Web Content Accessibility Guidelines 2.2 define it."""

from collections.abc import Sequence


def luminance(rgb: Sequence[float]) -> float:
    """Relative luminance of a colour with channels from 0 to 255."""
    parts = [v / 255 for v in rgb[:3]]
    red, green, blue = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(ink: Sequence[float], ground: Sequence[float]) -> float:
    darker, lighter = sorted((luminance(ink), luminance(ground)))
    return (lighter + 0.05) / (darker + 0.05)
