"""The page in a real browser."""

import base64
import json
import re
import shutil
import zlib
from math import nan
from pathlib import Path

import numpy as np
import pytest
from studies import HOSTILE
from wcag import contrast, luminance

from vral.report import explorer

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 120_000
"""Milliseconds before a page that does not answer counts as broken: machines can be busy."""
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def playwright():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser(playwright):
    chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=PATIENCE)
    yield chromium
    chromium.close()


@pytest.fixture
def opened(browser, written):
    """Opens the page; whatever it asks the network for, or complains of, fails the test."""
    complaints: list[str] = []
    contexts = []

    def open_page(ready: bool = True, file: Path = written.file, **options):
        context = browser.new_context(**options)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda m: m.type in ("error", "warning") and complaints.append(m.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        asked = file.as_uri()
        tab.on(
            "request",
            lambda r: r.url != asked and r.url[:5] != "data:" and complaints.append(r.url),
        )
        tab.goto(asked)
        if ready:
            tab.locator("#explorer > summary").click()
            tab.wait_for_function("() => window.Bokeh && Bokeh.documents.length === 2")
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def unpacked(packed: str):
    return json.loads(zlib.decompress(base64.b64decode(packed)))


DRAWN = """() => Bokeh.documents.map((document) => document.roots()[0]).map((figure) => ({
    log: [figure.x_scale.type, figure.y_scale.type],
    axis: figure.below[0].axis_label,
    data: figure.renderers.filter((r) => r.glyph.type !== "VArea").map((r) => ({
        name: r.data_source.name,
        ...Object.fromEntries(["x", "y", "median"].filter((k) => r.data_source.data[k])
            .map((k) => [k, [...r.data_source.data[k]]])),
    })),
}))"""


def drawn(tab):
    """What the two plots show, once they show another thing than before."""
    curves, finals = tab.evaluate(DRAWN)
    return curves, finals


def choose(tab, act):
    """What is drawn after ``act`` has changed it; the pixels must have changed too."""
    before, picture = tab.evaluate(DRAWN), tab.locator("#curves").screenshot()
    act()
    tab.wait_for_function(
        f"(before) => Bokeh.documents.length === 2 && JSON.stringify(({DRAWN})()) !== before",
        arg=tab.evaluate("(drawn) => JSON.stringify(drawn)", before),
    )
    tab.wait_for_timeout(100)
    assert tab.locator("#curves").screenshot() != picture
    return drawn(tab)


def test_the_explorer_draws_what_is_chosen(opened, written):
    tab = opened()
    data = unpacked(tab.locator("#explorer-data").text_content())["studies"][0]
    names = [f"{m['label']} at " for m in data["methods"]]

    def expected(reading, ratio, methods, clock="g_updates"):
        return [
            {
                "name": names[row["method"]] + data["ratios"][ratio]["label"],
                "x": data["clocks"][row["clock"]][clock],
                "median": row["median"],
            }
            for row in data["curves"][reading]
            if row["ratio"] == ratio and row["method"] in methods
        ]

    every = set(range(3))
    curves, finals = drawn(tab)
    assert curves["data"] == expected("grad_norm_fake", 1, every)
    assert curves["axis"] == "generator updates"
    assert [row["x"] for row in finals["data"]] == [
        row["values"] for row in data["finals"]["grad_norm_fake"] if row["ratio"] == 1
    ]
    curves, _ = choose(tab, lambda: tab.select_option("#reading", "score_var_fake"))
    assert curves["data"] == expected("score_var_fake", 1, every)
    curves, _ = choose(tab, lambda: tab.select_option("#clock", "images"))
    assert curves["data"] == expected("score_var_fake", 1, every, "images")
    assert curves["axis"] == "images seen by D"
    curves, finals = choose(tab, lambda: tab.locator("#methods input").nth(0).uncheck())
    assert curves["data"] == expected("score_var_fake", 1, every - {0}, "images")
    assert len(finals["data"]) == 1
    curves, _ = choose(tab, lambda: tab.locator("#ratios input").nth(0).check())
    assert {row["name"] for row in curves["data"]} >= {
        names[2] + ratio["label"] for ratio in data["ratios"]
    }
    log = "LogScale" in curves["log"]
    curves, _ = choose(tab, lambda: tab.locator("#log").click())
    assert ("LogScale" in curves["log"]) is not log


AREAS = """() => Bokeh.documents[0].roots()[0].renderers.filter((r) => r.glyph.type === "VArea")
    .map((r) => ["x", "low", "high"].map((k) => [...r.data_source.data[k]]))"""


def test_a_log_scale_shows_no_value_that_it_has_no_place_for(opened, written, tmp_path):
    """Negative values leave gaps; a band from below zero starts at the least value shown."""
    text = written.file.read_text()
    old = re.search(r'id="explorer-data">(.*)</script>', text)[1]
    data = unpacked(old)
    one, place = data["studies"][0], {"method": 0, "ratio": 1, "clock": 0}
    one["clocks"] = [{clock: list(range(6)) for clock in one["over"]}]
    mixed = {"median": [1, 2, -1, -2, 3, 4], "low": [-1, 1, -2, -3, 2, 3]}
    mixed["high"] = [2, 3, 1, -1, 4, 5]
    below = {part: [-v if v > 0 else v for v in values] for part, values in mixed.items()}
    one["curves"] = {"loss_D": [place | mixed], "loss_G": [place | below]}
    ends = {"method": 0, "ratio": 1, "seeds": [0, 1]}
    one["finals"] = {"loss_D": [ends | {"values": [-1, 4]}], "loss_G": [ends | {"values": [-1, 0]}]}
    (tmp_path / "page.html").write_text(text.replace(old, explorer.pack(json.dumps(data))))
    tab = opened(file=tmp_path / "page.html")
    assert tab.input_value("#reading") == "loss_D"
    curves, finals = choose(tab, lambda: tab.locator("#log").check())
    assert (curves["log"][1], finals["log"][0]) == ("LogScale", "LogScale")
    np.testing.assert_array_equal(curves["data"][0]["median"], [1, 2, nan, nan, 3, 4])
    np.testing.assert_array_equal(finals["data"][0]["x"], [nan, 4])
    first, second = tab.evaluate(AREAS)
    assert first == [[0, 1, 2], [1, 1, 1], [2, 3, 1]]
    assert second == [[4, 5], [2, 3], [4, 5]]
    assert "leaves negative values out" in tab.locator("#described").text_content()
    curves, finals = choose(tab, lambda: tab.select_option("#reading", "loss_G"))
    assert tab.locator("#log").is_disabled()
    assert "LogScale" not in curves["log"] + finals["log"]
    assert curves["data"][0]["median"] == below["median"]


def test_figures_are_present_and_described(opened, written):
    tab = opened()
    images = tab.evaluate(
        "[...document.querySelectorAll('.plate img')].map((i) => ({alt: i.alt, "
        "width: i.naturalWidth, shown: i.width, "
        "id: i.closest('.plate').id, data: i.src.split(',')[1].length}))"
    )
    assert len(images) == 5
    for image in images:
        assert image["width"] > 0
        assert image["alt"].startswith(f"Figure {image['id'].rsplit('-', 1)[1]}: ")
        assert re.search(r"at 50:1: .*[0-9]", image["alt"])
    links = tab.evaluate(
        "[...document.querySelectorAll(\".verdicts td[data-label='Figure'] a\")].map((a) => "
        "document.getElementById(a.hash.slice(1)).querySelector('img') !== null)"
    )
    assert links
    assert all(links)


def test_hostile_names_are_text(opened):
    tab = opened()
    assert tab.evaluate("window.hacked") is None
    assert tab.locator("img:not(.paper img)").count() == 0
    tab.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    for place in ("#methods", "#final-table", ".values", ".settings"):
        assert HOSTILE in tab.locator(place).first.text_content()
    assert HOSTILE in tab.locator("#study1-ratios-ring pre").text_content()
    box = tab.locator("#finals").bounding_box()
    for y in range(10, int(box["height"]), 8):  # over the dots, whose tooltips hold names
        for x in range(0, int(box["width"]), 40):
            tab.mouse.move(box["x"] + x, box["y"] + y)
    assert tab.evaluate("window.hacked") is None


def test_the_browser_runs_no_other_script_and_opens_no_connection(browser, written):
    tab = browser.new_page()
    tab.set_default_timeout(PATIENCE)
    tab.goto(written.file.as_uri())
    ran = tab.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.hacked = 1';"
        "document.body.append(s); return window.hacked }"
    )
    assert ran is None
    assert tab.evaluate(
        "new Promise((done) => { document.addEventListener('securitypolicyviolation', (e) => "
        "done(e.effectiveDirective)); fetch('http://127.0.0.1:9/').catch(() => 0) })"
    ) in ("connect-src", "default-src")
    tab.close()


CONTRASTS = """() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true})
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1)
    canvas.fillStyle = colour
    canvas.fillRect(0, 0, 1, 1)
    return [...canvas.getImageData(0, 0, 1, 1).data]
  }
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = rgba(getComputedStyle(e).backgroundColor)
      if (colour[3] === 255) return colour
    }
    return [255, 255, 255, 255]
  }
  const texts = []
  for (const element of document.querySelectorAll("body *")) {
    const words = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())
    const drawn = element.matches("#curves, .badge svg")
    const style = getComputedStyle(element)
    if (!(words || drawn) || !element.getClientRects().length) continue
    if (["SCRIPT", "STYLE", "OPTION", "OPTGROUP"].includes(element.tagName)) continue
    texts.push({text: element.textContent.trim().slice(0, 40), ink: rgba(style.color),
      ground: ground(element), size: parseFloat(style.fontSize), weight: Number(style.fontWeight)})
  }
  return texts
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_meets_wcag_aa_in_both_themes(opened, scheme):
    tab = opened(color_scheme=scheme)
    tab.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    texts = tab.evaluate(CONTRASTS)
    assert len(texts) > 100
    dark = luminance(texts[0]["ground"]) < 0.1
    assert dark is (scheme == "dark")
    for text in texts:
        large = text["size"] >= 24 or (text["size"] >= 18.66 and text["weight"] >= 700)
        ratio = contrast(text["ink"], text["ground"])
        assert ratio >= (3 if large else 4.5), text


def test_lines_of_the_explorer_stand_out_in_both_themes(opened):
    for scheme in ("light", "dark"):
        tab = opened(color_scheme=scheme)
        paper = tab.evaluate("getComputedStyle(document.getElementById('curves')).backgroundColor")
        ground = [int(v) for v in re.findall(r"\d+", paper)]
        lines = tab.evaluate(
            "Bokeh.documents[0].roots()[0].renderers.filter((r) => r.glyph.type === 'Line')"
            ".map((r) => r.glyph.line_color.value ?? r.glyph.line_color)"
        )
        assert lines
        for colour in lines:
            ink = [int(v) for v in re.findall(r"\d+", colour)]
            assert contrast(ink, ground) >= 2.99


def test_the_theme_can_be_chosen_and_is_kept(opened):
    tab = opened(color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = tab.evaluate(ground)
    tab.get_by_role("button", name="Dark theme").click()
    dark = tab.evaluate(ground)
    assert dark != light
    tab.reload()
    assert tab.evaluate(ground) == dark
    tab.get_by_role("button", name="Light theme").click()
    assert tab.evaluate(ground) == light


@pytest.mark.parametrize("viewport", [PHONE, {"width": 1280, "height": 900}])
def test_nothing_is_wider_than_the_screen(opened, viewport):
    tab = opened(viewport=viewport)
    tab.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    width = tab.evaluate("document.documentElement.scrollWidth")
    assert width <= viewport["width"]


def test_a_scroll_bar_at_the_side_does_not_make_the_page_too_wide(playwright, written):
    shown = playwright.chromium.launch(
        executable_path=CHROMIUM,
        args=FLAGS,
        timeout=PATIENCE,
        ignore_default_args=["--hide-scrollbars"],
    )
    tab = shown.new_page(viewport={"width": 1280, "height": 900})
    tab.set_default_timeout(PATIENCE)
    tab.goto(written.file.as_uri())
    root = "document.documentElement"
    inside = tab.evaluate(f"{root}.clientWidth")
    assert inside < 1280
    assert tab.evaluate(f"{root}.scrollWidth") == inside
    shown.close()


def test_print_is_light_unfolded_and_without_controls(opened):
    tab = opened(ready=False, color_scheme="dark")
    assert tab.locator("details[open]").evaluate_all("(parts) => parts.map((p) => p.id)") == [
        "study1-ratios-ring"
    ]
    tab.emulate_media(media="print", color_scheme="dark")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for name in ("#explorer", "#theme", "nav"):
        assert not tab.locator(name).is_visible()
    printed = tab.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) >= 3
    assert tab.locator("details[open]").count() == 1  # As before; printing had opened the others.
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert tab.locator(".verdicts").first.is_visible()
    closed = tab.locator("details:not([open]):not(.menu, #explorer, #numbers, #not-run)")
    assert closed.count() == 0
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert tab.locator("details[open]").count() == 1


def test_a_link_into_a_folded_part_opens_it(opened, written):
    """From outside, from the bar and from an answer; by keyboard too."""
    text = written.file.read_text()
    row = re.search(r'<tr id="(verdict-[^"]+)"', text)[1]
    tab = opened(ready=False)
    assert not tab.locator(f"[id='{row}']").is_visible()
    tab.evaluate("(row) => { location.hash = row }", row)
    tab.locator(f"[id='{row}']").wait_for(state="visible")
    bar = tab.locator("nav").evaluate("(e) => e.getBoundingClientRect().bottom")
    tab.wait_for_function(
        "([row, bar]) => { const y = document.getElementById(row).getBoundingClientRect().top;"
        " return y >= bar - 1 && y < innerHeight }",
        arg=[row, bar],
    )
    fresh = opened(ready=False)
    fresh.goto(f"{written.file.as_uri()}#{row}")
    fresh.locator(f"[id='{row}']").wait_for(state="visible")
    study = fresh.locator("#study1-ratios-ring")
    fresh.locator("#study1-ratios-ring > summary").focus()
    fresh.keyboard.press("Enter")
    assert study.get_attribute("open") is None
    fresh.locator(".menu > summary", has_text="Studies").press("Enter")
    fresh.locator(".menu[open] a[href='#study1-ratios-ring']").press("Enter")
    assert study.get_attribute("open") is not None
    assert fresh.locator(".menu[open]").count() == 0


@pytest.mark.parametrize("viewport", [{"width": 1280, "height": 800}, PHONE])
def test_the_bar_stays(opened, viewport):
    tab = opened(ready=False, viewport=viewport)
    tab.evaluate("scrollTo(0, document.body.scrollHeight)")
    tab.wait_for_function("() => scrollY > 500")
    box = tab.locator("nav").bounding_box()
    assert box["y"] == 0
    assert box["height"] <= 60
    contents = tab.locator(".narrow > summary")
    assert contents.is_visible() is (viewport is PHONE)
    if viewport is PHONE:
        contents.click()
        assert tab.locator(".narrow a[href='#summary']").is_visible()
        tab.keyboard.press("Escape")
        assert not tab.locator(".narrow a[href='#summary']").is_visible()


def test_the_first_screen_answers_and_twelve_hold_what_is_not_folded(opened, many):
    """Eleven answers and the picture at 1280 × 800; on a phone they take three screens."""
    tab = opened(ready=False, file=many, viewport={"width": 1280, "height": 800})
    last = tab.locator(".answers > li").nth(10).bounding_box()
    assert last["y"] + last["height"] <= 800
    picture = tab.locator(".front img").bounding_box()
    assert picture["y"] + picture["height"] <= 800
    assert tab.evaluate("document.documentElement.scrollHeight") <= 12 * 800
    answer = tab.locator("#answer-C6")
    assert not answer.locator(".parts").first.is_visible()
    answer.locator("summary").click()
    assert answer.locator(".parts").first.is_visible()
    assert "C6.lipschitz" in answer.text_content()
    phone = opened(ready=False, file=many, viewport={"width": 390, "height": 844})
    last = phone.locator(".answers > li").nth(10).bounding_box()
    assert last["y"] + last["height"] <= 3 * 844
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_page_reads_without_scripts(opened):
    tab = opened(ready=False, java_script_enabled=False)
    tab.locator("[id^='claims-'] > summary").first.click()
    assert tab.locator(".verdicts .badge").first.is_visible()
    tab.locator("#explorer > summary").click()
    assert not tab.locator("#controls").is_visible()
    assert tab.locator("noscript").is_visible()
