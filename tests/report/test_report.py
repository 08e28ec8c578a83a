"""The page, in a real browser, and what is behind it.

The study is a small real one, with every name as hostile as a file system and a registry allow.
"""

import dataclasses
import io
import json
import re
import shlex
import shutil
import sys
from math import inf, nan
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from markupsafe import escape
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from vral.claims import CLAIMS, Threshold, Verdict, examine
from vral.cli.main import main
from vral.errors import FolderError
from vral.report import contents, explorer, page, pictures
from vral.study import frames
from vral.study.config import resolve
from vral.study.folders import folder_name, write_json
from vral.study.measured import MEASURED, Measured, Row
from vral.study.methods import METHODS
from vral.study.run import execute

SMALL = {"dataset": "ring", "width": 8, "latent": 2, "batch": 8, "rounds": 2, "seeds": "0-4"}
HOSTILE = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>\"&"
FOLDER = "<img src=x onerror=window.hacked=3>"
"""A folder's name cannot hold a slash."""
LONG = "a very long name of a method that somebody might well choose " * 3


def make_study(root: Path) -> None:
    for ratio in ("1", "50"):
        for method in ("lsgan", "vral-meta"):
            config = resolve(method, {**SMALL, "ratio": ratio})
            execute(config, root / folder_name(config))
    config = resolve("wgan", {**SMALL, "ratio": "50", "rounds": 2, "lr": 1e30})
    execute(config, root / folder_name(config))
    write_json(
        root / "study.json",
        {"experiment": "ratios", "commands": ["reproduce ratios", f"x {HOSTILE}"]},
    )


def report(*arguments):
    return CliRunner().invoke(main, ["report", *map(str, arguments)])


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A page on a study whose every name is hostile: its folder, its study, what was printed."""
    folder = tmp_path_factory.mktemp("report")
    root = folder / FOLDER
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, text in {"lsgan": HOSTILE, "vral-meta": LONG}.items():
            patch.setitem(METHODS, name, dataclasses.replace(METHODS[name], label=text))
        make_study(root)
        patch.setattr(sys, "argv", ["vral", "report", FOLDER])
        result = report(root, "--out", folder / "page.html")
        assert result.exit_code == 0, result.output
    return SimpleNamespace(root=root, file=folder / "page.html")


# --- in a browser --------------------------------------------------------------------------------

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
in_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
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
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=PATIENCE)
        yield found
        found.close()


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
            tab.wait_for_function("window.Bokeh && Bokeh.documents.length === 2")
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


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
        arg=tab.evaluate("(found) => JSON.stringify(found)", before),
    )
    tab.wait_for_timeout(100)
    assert tab.locator("#curves").screenshot() != picture
    return drawn(tab)


@in_browser
def test_the_explorer_draws_what_is_chosen(opened, written):
    tab = opened()
    data = json.loads(tab.locator("#explorer-data").text_content())["studies"][0]
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


@in_browser
def test_a_log_scale_shows_no_value_that_it_has_no_place_for(opened, written, tmp_path):
    """Negative values leave gaps; a band from below zero starts at the least value shown."""
    text = written.file.read_text()
    old = re.search(r'id="explorer-data">(.*)</script>', text)[1]
    data = json.loads(old)
    one, place = data["studies"][0], {"method": 0, "ratio": 1, "clock": 0}
    one["clocks"] = [{clock: list(range(6)) for clock in one["over"]}]
    mixed = {"median": [1, 2, -1, -2, 3, 4], "low": [-1, 1, -2, -3, 2, 3]}
    mixed["high"] = [2, 3, 1, -1, 4, 5]
    below = {part: [-v if v > 0 else v for v in values] for part, values in mixed.items()}
    one["curves"] = {"loss_D": [place | mixed], "loss_G": [place | below]}
    ends = {"method": 0, "ratio": 1, "seeds": [0, 1]}
    one["finals"] = {"loss_D": [ends | {"values": [-1, 4]}], "loss_G": [ends | {"values": [-1, 0]}]}
    (tmp_path / "page.html").write_text(text.replace(old, page.script_json(data)))
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


@in_browser
def test_figures_are_present_and_described(opened, written):
    tab = opened()
    images = tab.evaluate(
        "[...document.images].map((i) => ({alt: i.alt, width: i.naturalWidth, shown: i.width, "
        "id: i.closest('.plate').id, data: i.src.split(',')[1].length}))"
    )
    assert len(images) == 5
    for image in images:
        assert image["width"] > 0
        assert image["alt"].startswith(f"Figure {image['id'].rsplit('-', 1)[1]}: ")
        assert re.search(r"at 50:1: .*[0-9]", image["alt"])
    links = tab.evaluate(
        "[...document.querySelectorAll('.verdicts a')].map((a) => "
        "document.getElementById(a.hash.slice(1)).querySelector('img') !== null)"
    )
    assert links
    assert all(links)


@in_browser
def test_hostile_names_are_text(opened):
    tab = opened()
    tab.locator("#numbers summary").click()
    assert tab.evaluate("window.hacked") is None
    assert tab.locator("img:not(.paper img)").count() == 0
    for place in ("#methods", "#final-table", ".values", ".settings"):
        assert HOSTILE in tab.locator(place).first.text_content()
    assert HOSTILE in tab.locator("pre").last.locator("xpath=..").text_content()
    box = tab.locator("#finals").bounding_box()
    for y in range(10, int(box["height"]), 8):  # over the dots, whose tooltips hold names
        for x in range(0, int(box["width"]), 40):
            tab.mouse.move(box["x"] + x, box["y"] + y)
    assert tab.evaluate("window.hacked") is None


@in_browser
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
  const found = []
  for (const element of document.querySelectorAll("body *")) {
    const words = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())
    const drawn = element.matches("#curves, .badge svg")
    const style = getComputedStyle(element)
    if (!(words || drawn) || !element.getClientRects().length) continue
    if (["SCRIPT", "STYLE", "OPTION", "OPTGROUP"].includes(element.tagName)) continue
    found.push({text: element.textContent.trim().slice(0, 40), ink: rgba(style.color),
      ground: ground(element), size: parseFloat(style.fontSize), weight: Number(style.fontWeight)})
  }
  return found
}"""


def luminance(rgb) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [v / 255 for v in rgb[:3]]
    red, green, blue = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(ink, ground) -> float:
    darker, lighter = sorted((luminance(ink), luminance(ground)))
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_that_of_the_standard():
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)


@in_browser
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
        found = contrast(text["ink"], text["ground"])
        assert found >= (3 if large else 4.5), text


@in_browser
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


@in_browser
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


@in_browser
@pytest.mark.parametrize("viewport", [PHONE, {"width": 1280, "height": 900}])
def test_nothing_is_wider_than_the_screen(opened, viewport):
    tab = opened(viewport=viewport)
    tab.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    width = tab.evaluate("document.documentElement.scrollWidth")
    assert width <= viewport["width"]


@in_browser
def test_print_is_light_unfolded_and_without_controls(opened):
    tab = opened(color_scheme="dark")
    assert tab.locator("details[open]").count() == 0
    tab.emulate_media(media="print", color_scheme="dark")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for name in ("#explorer", "#theme", "nav"):
        assert not tab.locator(name).is_visible()
    assert tab.locator(".verdicts").is_visible()
    printed = tab.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) >= 3
    closed = tab.locator("details:not([open]):not(#numbers, #not-run)")
    assert closed.count() == 0


@in_browser
def test_the_page_reads_without_scripts(opened):
    tab = opened(ready=False, java_script_enabled=False)
    assert tab.locator(".verdicts .badge").first.is_visible()
    assert not tab.locator("#controls").is_visible()
    assert tab.locator("noscript").is_visible()


# --- files and command ---------------------------------------------------------------------------


def test_the_pdf_has_a_page_per_figure_and_no_date(written, tmp_path):
    pdf = written.file.with_suffix(".pdf").read_bytes()
    assert len(re.findall(rb"/Type /Page\b", pdf)) == 5
    assert b"CreationDate" not in pdf


def test_the_page_tells_what_made_it_and_what_diverged(written):
    text = written.file.read_text()
    assert f"<code>{escape(shlex.join(['vral', 'report', FOLDER]))}</code>" in text
    assert text.count("WGAN at 50:1, seed ") == 5
    for verdict in examine([written.root])[0]:
        assert f'id="verdict-study1-ratios-ring-{verdict.claim.id}"' in text


def test_a_page_may_be_written_again_and_another_file_is_left_alone(written, tmp_path):
    assert page.is_ours(written.file)
    assert page.is_ours(written.file.with_suffix(".pdf"))
    for name in ("notes.html", "notes.pdf"):
        (tmp_path / name).write_text("what I think of vral report")
        result = report(written.root, "--out", tmp_path / "notes.html")
        assert result.exit_code == 2
        assert f"{tmp_path / name} exists and is none of vral report's" in result.stderr
        assert [p.name for p in tmp_path.iterdir()] == [name]
        assert (tmp_path / name).read_text() == "what I think of vral report"
        (tmp_path / name).unlink()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Missing argument"),
        (["nowhere"], "STUDY: nowhere given, which holds no study.json"),
        (["empty"], "STUDY: empty has no readings yet"),
        (["other"], "STUDY: other holds the experiment 'tea'; allowed: "),
        (["broken"], "Error: broken/study.json is corrupt"),
        (["odd"], "Error: odd/study.json is corrupt"),
        (["list"], "Error: list/study.json is corrupt"),
        (["study", "--out", "page.pdf"], "--out: page.pdf given; allowed: a file that ends in"),
        (["study", "--out", "no/page.html"], "--out: no/page.html given; allowed: a file in an"),
        (["study", "--out", "folder.html"], "folder.html exists and is none"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(written, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    for name, experiment in {"empty": "ratios", "other": "tea"}.items():
        Path(name).mkdir()
        write_json(Path(name, "study.json"), {"experiment": experiment, "commands": []})
    corrupt = {"broken": "{", "odd": '{"experiment": [], "commands": 3}'}
    for name, text in {**corrupt, "list": '["experiment", "commands"]'}.items():
        Path(name).mkdir()
        Path(name, "study.json").write_text(text)
    Path("folder.html").mkdir()
    Path("study").symlink_to(written.root)
    before = sorted(tmp_path.rglob("*"))
    result = report(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.strip().count("\n") == 0
    assert sorted(tmp_path.rglob("*")) == before


# --- what the page is made of --------------------------------------------------------------------


@pytest.fixture
def theory(tmp_path):
    """A study without seeds, its case as hostile as can be; one claim of it holds."""
    root = tmp_path / "errata"
    (root / "figures").mkdir(parents=True)
    write_json(root / "study.json", {"experiment": "errata", "commands": ["x"]})
    rows = [
        Row("R3GAN, equation 12", "error of the printed Im λ", 0.25, 0.0),
        Row(HOSTILE, "Im λ", 1.5),
    ]
    Measured(rows).measured.write_csv(root / MEASURED)
    Figure(figsize=(3, 2)).savefig(root / "figures" / "errata.png", dpi=100)
    return root


def test_what_has_no_seeds_stands_on_the_page_as_deterministic(theory):
    (judged,), _ = examine([theory])
    found = contents.read_theory(theory, 1, [judged])
    text = page.render([], [found], [], "vral report errata", "x.pdf")
    cells = re.findall(r"<td data-label=\"(\w+)\".*?</td>", text, re.DOTALL)
    assert cells == ["Effect", "Asked", "Seeds", "Verdict", "Figure"]
    assert '<span class="where">deterministic</span>' in text
    assert '<span class="effect">0.25</span></span>' in text
    assert "jointly</span>" not in text
    assert '<a href="#theory1-errata-errata">errata</a>' in text
    assert 'id="theory1-errata-errata"' in text
    assert 'width="150" height="100"' in text
    assert str(escape(HOSTILE)) in text
    assert HOSTILE not in text


def test_only_studies_without_seeds_make_no_page(theory):
    result = report(theory)
    assert result.exit_code == 2
    assert "STUDY: only studies without seeds given" in result.stderr
    (theory / "figures" / "errata.png").write_text("no picture")
    with pytest.raises(FolderError, match=r"errata\.png is corrupt"):
        contents.read_theory(theory, 1, [])


def test_arguments_that_are_no_studies_are_named_and_left_out(theory, tmp_path):
    (tmp_path / "README.md").touch()
    result = report(tmp_path / "README.md", theory)
    left_out, error = result.stderr.splitlines()
    assert left_out == f"STUDY: left out, without a study.json: {tmp_path / 'README.md'}"
    assert "only studies without seeds given" in error


def test_no_text_can_end_a_script_element():
    text = "</script><!-- <script> & \u2028 \u2029 'quoted' \"twice\""
    made = page.script_json({text: [text]})
    assert json.loads(made) == {text: [text]}
    assert not set("<>&\u2028\u2029") & set(made)
    with pytest.raises(ValueError, match="not JSON compliant"):
        page.script_json([nan])


def verdict(effect, low, high, threshold):
    claim = dataclasses.replace(CLAIMS["C4.lsgan"], threshold=threshold)
    return Verdict(claim, "ring", effect, low, high, 5, "inconclusive", Path("x"), 0, 1.0)


def test_a_strip_keeps_the_order_of_what_it_shows():
    drawing = page.strip(verdict(2.0, 1.0, 4.0, Threshold(0.5, 3.0)))
    order = [drawing["threshold"][0], drawing["ends"][0], drawing["effect"]]
    order += [drawing["threshold"][1], drawing["ends"][1]]
    assert order == sorted(order)
    assert not drawing["logarithmic"]
    # Linear: 1 lies midway between 0.5 and 1.5 wherever the margins are.
    middle = page.strip(verdict(1.0, 0.5, 1.5, Threshold(low=0.5)))
    assert middle["effect"] == pytest.approx(sum(middle["ends"]) / 2, abs=0.01)
    assert middle["threshold"][1] == page.STRIP


def test_a_strip_of_far_apart_values_is_logarithmic():
    drawing = page.strip(verdict(1e-3, 1e-6, 1.0, Threshold(high=1e-3)))
    assert drawing["logarithmic"]
    assert drawing["effect"] == pytest.approx(sum(drawing["ends"]) / 2, abs=0.01)
    assert page.strip(verdict(nan, -inf, inf, Threshold(high=1.0))) is None
    assert page.strip(verdict(1.0, -inf, inf, Threshold(high=2.0)))["ends"] == [0, page.STRIP]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-4.5e-9, "−4.5·10⁻⁹"),
        (0.5557, "0.556"),
        (1.2e9, "1.2·10⁹"),
        (1071.2, "1071"),
        (0.0, "0"),
        (nan, "–"),
        (-inf, "−∞"),
    ],
)
def test_numbers_are_typeset(value, text):
    assert contents.typeset(value) == text


def test_settings_are_told_once_where_they_agree_and_per_method_where_not():
    cells = [("a", "1", 1e-3, 1), ("a", "50", 1e-3, 5), ("b", "1", None, 1), ("b", "50", None, 5)]
    configs = [
        {"method": m, "ratio": r, "dataset": "digits", "seeds": [0], "lr": lr, "every": e, "w": 8}
        for m, r, lr, e in cells
    ]
    assert contents.common_settings(configs) == {"w": 8}
    every = "1 at 1:1, 5 at 50:1"
    assert contents.differing_settings(configs) == (
        ["lr", "every"],
        [("a", ["0.001", every]), ("b", ["–", every])],
    )


def test_figures_are_told_in_readings_that_exist():
    known = {name for texts in explorer.READINGS.values() for name in texts}
    assert {name for readings in contents.SHOWN_READINGS.values() for name in readings} <= known
    assert {"modes", "transport"} <= set(contents.SHOWN_READINGS)


def test_a_slug_is_safe_in_an_address():
    assert contents.slug('<b> "a"/Ü stacked-digits') == "b-a-stacked-digits"


def explored_frames():
    """Two seeds, 300 rounds of two D updates each; a probe every 100 rounds; seed 1 diverged."""
    cell = {"method": "lsgan", "ratio": "2", "dataset": "digits"}
    records = [
        {**cell, "seed": seed, "round": i, "g_updates": i, "d_updates": 2 * i + 1}
        | {"images": 64 * (2 * i + 1), "grad_norm_fake": float(i + seed)}
        for seed in (0, 1)
        for i in range(300)
    ]
    probes = [
        {k: v for k, v in row.items() if k != "grad_norm_fake"} | {"auc": 0.5 + row["seed"]}
        for row in records
        if row["round"] % 100 == 99
    ]
    records, probes = pl.DataFrame(records), pl.DataFrame(probes)
    gone = [{**cell, "seed": 1, "reading": "loss_D"}]
    return records, probes, frames.final_values(records, probes, gone)


def test_the_explorer_gets_bands_of_all_seeds_and_final_values_of_those_left():
    found = explorer.explored(*explored_frames())
    (curve,) = found["curves"]["grad_norm_fake"]
    times = found["clocks"][curve["clock"]]
    assert len(curve["median"]) <= explorer.POINTS
    # Bins of three rounds: the mean round is the middle one, and the median of i and i+1 is i+½.
    assert times["round"][:2] == [1.0, 4.0]
    assert curve["median"][:2] == [1.5, 4.5]
    np.testing.assert_allclose(times["d_updates"], 2 * np.array(times["round"]) + 1, rtol=1e-3)
    np.testing.assert_allclose(times["images"], 64 * np.array(times["d_updates"]), rtol=1e-3)
    (dots,) = found["finals"]["grad_norm_fake"]
    assert dots["seeds"] == [0]
    assert dots["values"] == [pytest.approx(np.mean(np.arange(240, 300)), rel=1e-3)]
    assert found["finals"]["auc"][0]["values"] == [0.5]
    assert len(found["curves"]["auc"][0]["median"]) == 3


def test_arms_of_a_method_have_colours_of_their_own():
    parts = [frame.with_columns(method=pl.col("method") + "+b=2") for frame in explored_frames()]
    both = [pl.concat(pair) for pair in zip(explored_frames(), parts, strict=True)]
    colours = [method["colour"] for method in explorer.explored(*both)["methods"]]
    assert colours[0] == METHODS["lsgan"].colour.lower()
    assert colours[0] != colours[1]


def test_a_held_generator_s_turns_are_no_clock():
    every = list(explorer.CLOCKS)
    assert explorer.explored(*explored_frames())["over"] == every
    assert explorer.explored(*explored_frames(), held=True)["over"] == every[1:]
    assert every[0] == "g_updates"


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("reproduce noise --out /home/me/runs --jobs 2", "vral reproduce noise --jobs 2"),
        ("reproduce noise --out=/x --data-root /y --seeds 3", "vral reproduce noise --seeds 3"),
        ("reproduce noise --dataset ring", "vral reproduce noise --dataset ring"),
        ("reproduce noise --dataset=ring", "vral reproduce noise --dataset=ring"),
        ("reproduce noise --dataset grid", None),
        ("reproduce noise --dataset=grid --out x", None),
        ("noise --dataset grid --dataset ring --out x", "vral noise --dataset grid --dataset ring"),
        ("reproduce ratios --ratios '1 100x25,5'", "vral reproduce ratios --ratios '1 100x25,5'"),
        ("not ' a command", "vral not ' a command"),
    ],
)  # fmt: skip
def test_a_section_shows_the_commands_that_made_it_as_anybody_can_give_them(command, shown):
    assert contents.anybodys(command, "ring") == shown


def test_numbers_keep_four_digits_and_say_what_is_missing():
    assert explorer.numbers(np.array([1.23456e-9, nan, inf, 0])) == [1.235e-9, None, None, 0]


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
    found = np.unique(np.asarray(image).reshape(-1, 3), axis=0).astype(int)
    for hue in hues:
        wanted = np.round(255 * np.array(to_rgb(hue))).astype(int)
        assert np.abs(found - wanted).max(1).min() <= 4
