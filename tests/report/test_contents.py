"""What the page says about a study."""

from vral.report import contents, explorer


def test_figures_are_told_in_readings_that_exist():
    known = {name for texts in explorer.READINGS.values() for name in texts}
    assert {name for readings in contents.SHOWN_READINGS.values() for name in readings} <= known
    assert {"modes", "transport"} <= set(contents.SHOWN_READINGS)


def test_a_slug_is_safe_in_an_address():
    assert contents.slug('<b> "a"/Ü stacked-digits') == "b-a-stacked-digits"
