"""The page: what it holds, what it refuses, and the files of ``vral report``."""

import base64
import dataclasses
import json
import re
import shlex
import zlib
from importlib.resources import files
from math import inf, nan
from pathlib import Path

import polars as pl
import pytest
from markupsafe import escape
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from studies import FOLDER, HOSTILE, MANY, many_sections, report
from wcag import contrast

from vral.claims import CLAIMS, Threshold, Unjudged, Verdict, examine
from vral.errors import FolderError
from vral.report import contents, explorer, page
from vral.report.contents import Theory
from vral.study.folders import write_json
from vral.study.measured import MEASURED, Measured, Row


def test_the_pdf_has_a_page_per_figure_and_no_date(written, tmp_path):
    pdf = written.file.with_suffix(".pdf").read_bytes()
    assert len(re.findall(rb"/Type /Page\b", pdf)) == 5
    assert b"CreationDate" not in pdf


def test_every_figure_of_a_study_has_a_drawing_for_a_phone(written):
    """A figure is never shrunk: a narrow screen takes the one that is laid out for it."""
    text = written.file.read_text()
    narrow = re.findall(r'<picture><source media="screen and \(max-width: 44rem\)" [^>]*', text)
    assert len(narrow) == text.count('class="plate') == 5
    for source in narrow:
        width = int(re.search(r' width="(\d+)"', source)[1])
        assert 0 < width <= 346  # a phone of 380 CSS pixels less the page's margins


def test_the_page_tells_what_made_it_and_what_diverged(written):
    text = written.file.read_text()
    assert f"<code>{escape(shlex.join(['vral', 'report', FOLDER]))}</code>" in text
    assert text.count("WGAN at 50:1, seed ") == 5
    assert '<span class="where">Being redone</span>' not in text  # As withdrawn.csv has it.
    for verdict in examine([written.root])[0]:
        assert f'id="verdict-study1-ratios-ring-{verdict.claim.id}"' in text


def test_a_page_of_many_studies_is_small_and_leaves_nothing_out(many):
    text = many.read_text()
    assert len(MANY) == 25
    assert many.stat().st_size <= 5_000_000
    sections = many_sections()
    given = sum(len(section.plates) for section in sections)
    assert text.count('class="plate') == given == 50
    assert text.count("data:image/png;base64,iVBOR") >= given + 1
    assert sum(plate.picture.size for s in sections for plate in s.plates) > 5_000_000
    for section in sections:
        assert f'<details class="fold study" id="{section.anchor}">' in text
        for verdict in section.verdicts:
            assert f'id="verdict-{section.anchor}-{verdict.claim.id}"' in text
    packed = re.search(r'id="explorer-data">([^<]*)<', text)[1]
    studies = json.loads(zlib.decompress(base64.b64decode(packed)))["studies"]
    assert [study["title"] for study in studies] == [f"{name}, {data}" for name, data in MANY]
    bins = {len(c["median"]) for s in studies for cs in s["curves"].values() for c in cs}
    assert len(bins) == 1
    assert explorer.FEWEST_POINTS <= min(bins) < explorer.POINTS
    assert f"at most\n      {min(bins)} bins" in text
    assert {len(times) for s in studies for at in s["clocks"] for times in at.values()} == bins


def test_the_first_screen_has_eleven_answers_and_one_picture(many):
    text = many.read_text()
    first = text[text.index("<header") : text.index("</header>")]
    assert re.findall(r'id="answer-(\w+)"', first) == [f"C{i}" for i in range(1, 12)]
    assert first.count("<img ") == 1
    assert "Four panels of dots" in first
    assert first.count("<h1>") == 1
    # Whatever else is folded, but for the summary and what made the page.
    main = re.sub(r"<details.*</details>", "", text[text.index("<main>") :], flags=re.DOTALL)
    assert "<table" not in main


def test_the_summary_tells_what_was_studied_in_the_form_of_reviewers(many, theory):
    text = " ".join(many.read_text().split())
    headings = re.findall(r"<h3>([^<]+)</h3>", text[text.index('id="summary"') :])[:6]
    assert headings == [
        "Scope of reproducibility",
        "Methodology",
        "Results",
        "What was easy",
        "What was difficult",
        "Communication with the original authors",
    ]
    runs = len(MANY) * 4 * 2
    assert f"{runs * 5:,} training runs, counting each seed, in 25 studies" in text
    assert "3.3 h on" in text  # a minute for each of the runs of five seeds
    assert "deck (mnist, digits)" in text
    retired = [claim.id for claim in CLAIMS.values() if claim.retired]
    assert retired
    assert f"of the {len(CLAIMS) - len(retired)} claims into which the questions are split" in text
    study = contents.read_theory(theory, 1, examine([theory])[0])
    own = page.render([], [study], [], "vral report errata", "x.pdf")
    assert "What was easy" not in own
    assert "Game dynamics: errata." in own


def test_a_page_without_curves_has_no_explorer(theory):
    study = contents.read_theory(theory, 1, [])
    text = page.render([], [study], [], "vral report errata", "x.pdf")
    assert 'id="explorer' not in text
    assert "Bokeh" not in text
    assert text.count("sha256-") == text.count("<script>") == 1  # The policy allows no other.
    assert len(text) < 100_000


def test_a_section_without_a_reading_has_nothing_to_explore():
    """All its seeds diverged before the first record, while the study has other data sets."""
    [section] = many_sections()[:1]
    nothing = pl.DataFrame(schema=dict.fromkeys(("method", "ratio", "dataset"), pl.String()))
    study = dataclasses.replace(section.study, records=nothing, probes=nothing)
    study.__dict__["final"] = nothing.with_columns(diverged=pl.lit(False))
    bare = dataclasses.replace(section, study=study)
    assert bare.explored == {}
    assert section.explored != {}


def test_a_page_goes_where_a_link_leads(written, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    result = report(written.root, "--out", tmp_path / "link/page.html")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "there/page.html").exists()


def test_a_page_may_be_written_again_and_another_file_is_left_alone(written, tmp_path):
    assert page.is_ours(written.file)
    assert page.is_ours(written.file.with_suffix(".pdf"))
    for name in ("notes.html", "notes.pdf"):
        (tmp_path / name).write_text("what I think of vral report")
        result = report(written.root, "--out", tmp_path / "notes.html")
        assert result.exit_code == 2
        assert f"{tmp_path / name} exists and was not written by vral report" in result.stderr
        assert [p.name for p in tmp_path.iterdir()] == [name]
        assert (tmp_path / name).read_text() == "what I think of vral report"
        (tmp_path / name).unlink()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument"),
        (["nowhere"], "STUDY: nowhere given, which does not exist"),
        (["empty"], "STUDY: empty has no readings yet"),
        (["other"], "STUDY: other holds the experiment 'tea'; allowed: "),
        (["broken"], "Error: broken/study.json is corrupt"),
        (["odd"], "Error: odd/study.json is corrupt"),
        (["list"], "Error: list/study.json is corrupt"),
        (["study", "--out", "page.pdf"], "--out: page.pdf given; allowed: a file that ends in"),
        (["study", "--out", ""], "--out: '' given; allowed: a path"),
        (["study", "--out", "file/page.html"], "--out: file/page.html given, but file is a file;"),
        (["study", "--out", "folder.html"], "folder.html exists and was not written by"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(written, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    for name, experiment in {"empty": "ratios", "other": "tea"}.items():
        Path(name).mkdir()
        write_json(Path(name, "study.json"), {"experiment": experiment, "commands": []})
    corrupt = {"broken": "{", "odd": '{"experiment": [], "commands": 3}'}
    for name, text in {**corrupt, "list": '["experiment", "commands"]'}.items():
        Path(name).mkdir()
        Path(name, "study.json").write_text(text)
    Path("folder.html").mkdir()
    Path("file").touch()
    Path("study").symlink_to(written.root)
    before = sorted(tmp_path.rglob("*"))
    result = report(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.strip().count("\n") == 0
    assert sorted(tmp_path.rglob("*")) == before


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
    Measured(rows).frame().write_csv(root / MEASURED)
    Figure(figsize=(3, 2)).savefig(root / "figures" / "errata.png", dpi=100)
    return root


def test_what_has_no_seeds_stands_on_the_page_as_deterministic(theory):
    (judged,), _ = examine([theory])
    study = contents.read_theory(theory, 1, [judged])
    text = page.render([], [study], [], "vral report errata", "x.pdf")
    cells = re.findall(r"<td data-label=\"(\w+)\".*?</td>", text, re.DOTALL)
    assert cells == ["Effect", "Asked", "Seeds", "Verdict", "Figure"]
    assert '<span class="where">deterministic</span>' in text
    assert '<span class="effect">0.25</span></span>' in text
    assert "Holm</span>" not in text
    assert '<a href="#theory1-errata-errata">errata</a>' in text
    assert 'id="theory1-errata-errata"' in text
    assert 'width="150" height="100"' in text
    assert str(escape(HOSTILE)) in text
    assert HOSTILE not in text


def test_few_seeds_are_told_once_above_everything_and_no_verdict_is_listed():
    claims = [claim for claim in CLAIMS.values() if claim.experiment == "ratios"][:3]
    few = [
        Unjudged(claim, "digits", "2 of 5 seeds", "vral reproduce ratios", 2) for claim in claims
    ]
    text = page.render([], [Theory(Path("x"), "errata", "t", [], [], {})], few, "vral", "x.pdf")
    assert text.count("not judged.") == 1
    headline = text.index("Two seeds: not judged. A verdict needs at least five")
    assert headline < text.index('id="not-run"')
    assert 'class="badge' not in text
    assert 'class="tally' not in text


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
    assert (
        left_out == f"STUDY: left out, without a study.json or a run.json: {tmp_path / 'README.md'}"
    )
    assert "only studies without seeds given" in error


def test_no_text_can_end_a_script_element():
    text = "</script><!-- <script> & \u2028 \u2029 'quoted' \"twice\" \ud800"
    study = {"title": text, "clocks": [], "curves": {}, "finals": {}}
    made, _ = explorer.packed_data([study])
    assert re.fullmatch(r"[A-Za-z0-9+/=]+", made)
    content = json.loads(zlib.decompress(base64.b64decode(made)))
    assert content["studies"] == [study]
    with pytest.raises(ValueError, match="not JSON compliant"):
        explorer.packed_data([study | {"clocks": [{"round": [nan]}]}])


def verdict(effect, low, high, threshold):
    claim = dataclasses.replace(CLAIMS["C4.lsgan"], threshold=threshold)
    return Verdict(claim, "ring", effect, low, high, 5, "inconclusive", Path("x"), 0, 1.0)


def test_a_statement_of_two_claims_stands_under_each():
    names = ("C7.panels.keeps.vral-meta", "Q3.keeps.vral-meta")
    assert len({CLAIMS[name].statement for name in names}) == 1
    plain = verdict(1.0, 1.0, 1.0, Threshold(high=1.25))
    families = page._families([dataclasses.replace(plain, claim=CLAIMS[n]) for n in names])
    assert {k: [v.claim.id for s in part for v in s.verdicts] for k, part in families.items()} == {
        "C7": [names[0]],
        "Q3": [names[1]],
    }


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


def test_the_colours_of_texts_meet_wcag_aa_on_both_grounds_of_both_themes():
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)
    style = (files("vral.report") / "templates" / "style.css").read_text(encoding="utf-8")
    pairs = re.findall(r"--(\w+): light-dark\((#\w{6}), (#\w{6})\)", style)
    colours = {name: themes for name, *themes in pairs}
    texts = ("ink", "soft", "link", "confirmed", "refuted", "inconclusive")
    for theme in (0, 1):
        for text in texts:
            for ground in ("ground", "raised"):
                ink, paper = (
                    [255 * v for v in to_rgb(colours[name][theme])] for name in (text, ground)
                )
                assert contrast(ink, paper) >= 4.5, (text, ground, theme)
