"""The ledger of studies on disk, and ``vral claims``."""

import json
import re
import shlex
from collections import Counter
from dataclasses import replace
from itertools import count

import polars as pl
import pytest
from cases import one_line_error
from click.testing import CliRunner
from worlds import Column, tables

from vral.claims import CLAIMS, examine, ledger
from vral.claims.evidence import Evidence, NotRunError
from vral.claims.ledger import changes
from vral.claims.markdown import BEGIN, END, as_markdown
from vral.claims.primary import as_families
from vral.claims.wording import NUMBERS, family_notes, headline
from vral.cli.main import main
from vral.dynamics import score_map
from vral.errors import FolderError
from vral.study.experiments import EXPERIMENTS, Arm
from vral.study.folders import write_json
from vral.study.measured import MEASURED, Measured, Quantity
from vral.study.statistics import LEVEL
from vral.train.records import write_part

SEEDS = range(5)
ASKED = {name for name, claim in CLAIMS.items() if not claim.retired}
SECONDS = count(1)
"""No two runs take equally long, which tells them from copies."""
FRECHET = {"1": 100.0, "50": 50.0}


def write_study(
    root,
    arm="vral-meta",
    seeds=5,
    diverged=(),
    status=None,
    changed=None,
    read=True,
    floors=None,
):
    """One arm of ratios at 1:1 and 50:1 on digits; its Fréchet distance halves.

    ``changed`` are settings by ratio that are not the experiment's; without ``read`` nothing was
    recorded before seeds diverged.
    """
    experiment = "ratios"
    root.mkdir()
    write_json(root / "study.json", {"experiment": experiment, "commands": ["reproduce"]})
    claim = replace(CLAIMS["C7.frechet"], arms=(arm,))
    columns = tuple(
        Column(arm, ratio, name, value)
        for ratio, distance in FRECHET.items()
        for name, value in (("frechet", distance), ("coverage", 0.5))
    )
    recorded = tables(claim, columns, seeds)
    for ratio in FRECHET:
        folder = (
            root / f"method={arm}" / f"ratio={ratio}" / "dataset=digits" / f"seeds=0-{seeds - 1}"
        )
        folder.mkdir(parents=True)
        manifest = {}
        for kind in ("records", "probes"):
            rows = recorded[kind].filter(pl.col("ratio") == ratio)
            if read:
                rows = rows.drop("method", "ratio", "dataset")
                manifest |= write_part(rows, folder / kind, 10)
        settings = {"seeds": tuple(range(seeds)), **(changed or {}).get(ratio, {})}
        config = EXPERIMENTS[experiment].config(Arm(arm), ratio, "digits", **settings)
        entries = [
            {"seed": s, "d_update": 3, "reading": "loss_D", "value": "nan"} for s in diverged
        ]
        report = {
            "config": config.model_dump(mode="json"),
            "status": (status or {}).get(ratio, "finished"),
            "rounds_done": 10,
            "seconds": next(SECONDS),
            "diverged": entries if ratio == "50" or not read else [],
            "manifest": manifest,
            "quality": {"frechet_floor": floors[ratio]} if floors else {},
        }
        write_json(folder / "run.json", report)
    return root


def test_a_study_is_judged_on_what_it_holds(tmp_path):
    root = write_study(tmp_path / "study")
    verdicts = {v.claim.id: v for v in ledger([root])}
    verdict = verdicts["C7.frechet"]
    assert (verdict.verdict, verdict.dataset, verdict.seeds) == ("confirmed", "digits", 5)
    assert verdict.effect == pytest.approx(0.5)
    assert verdict.study == root
    assert all(v.claim.experiment == "ratios" for v in verdicts.values())
    assert "C7.standard" not in verdicts


def test_every_claim_is_either_judged_or_open_with_a_command(tmp_path):
    verdicts, still_open = examine([write_study(tmp_path / "a study")])
    judged = {v.claim.id for v in verdicts}
    waiting = {entry.claim.id for entry in still_open}
    assert judged | waiting == ASKED
    assert not judged & waiting
    entry = next(e for e in still_open if e.claim.id == "C7.standard")
    assert entry.reason == "standard at 50 has not been run"
    assert entry.command == f"vral reproduce ratios --out '{tmp_path}/a study'"
    entry = next(e for e in still_open if e.claim.id == "P1.kl.stacked-mnist")
    assert entry.command == "vral reproduce mode-collapse --dataset stacked-mnist"


@pytest.mark.parametrize(("floor", "one"), [(2.75, False), (2.9201, True)])
def test_distances_under_two_classifiers_are_not_divided(tmp_path, floor, one):
    root = write_study(tmp_path / "study", floors={"1": 2.92, "50": floor})
    verdicts, still_open = examine([root])
    assert ("C7.frechet" in {v.claim.id for v in verdicts}) == one
    if not one:
        (entry,) = (e for e in still_open if e.claim.id == "C7.frechet")
        assert entry.reason == (
            "vral-meta at 50 was judged by another classifier, whose Fréchet floor is 2.75, not "
            "2.92, and must be rerun"
        )
        assert not entry.not_testable


def test_seeds_of_one_cell_that_two_classifiers_have_judged_are_not_put_together():
    empty = pl.DataFrame()
    floors = [("lsgan", "1", {"frechet_floor": floor}) for floor in (2.92, 2.92, 2.75)]
    one, two = (
        Evidence(empty, empty, empty, frozenset(), 64, part) for part in (floors[:2], floors)
    )
    one.require_one_measure(["lsgan"], ["1"])
    two.require_one_measure(["lsgan"], ["50"])
    with pytest.raises(NotRunError, match="lsgan at 1 was judged by another classifier"):
        two.require_one_measure(["lsgan", "r1"], ["50", "1"])


def test_an_unfinished_run_is_not_judged(tmp_path):
    root = write_study(tmp_path / "study", status={"50": "stopped"})
    verdicts, still_open = examine([root])
    assert "C7.frechet" not in {v.claim.id for v in verdicts}
    reasons = {entry.claim.id: entry.reason for entry in still_open}
    assert reasons["C7.frechet"] == "vral-meta at 50 has not been run"


def test_a_study_without_a_finished_run_has_no_verdict(tmp_path):
    root = write_study(tmp_path / "study", status={"1": "stopped", "50": "stopped"})
    assert ledger([root]) == []


def test_seeds_that_diverged_are_counted_and_reported(tmp_path):
    root = write_study(tmp_path / "study", diverged=[0, 3, 4])
    verdict = next(v for v in ledger([root]) if v.claim.id == "C7.frechet")
    assert (verdict.seeds, verdict.diverged) == (5, 3)
    assert verdict.effect == float("inf")
    assert verdict.verdict == "inconclusive"


def test_the_same_study_twice_counts_once_and_two_studies_apart(tmp_path):
    first, second = (write_study(tmp_path / name) for name in "ab")
    assert len(ledger([first, first])) == len(ledger([first]))
    count = Counter(v.claim.id for v in ledger([first, second]))
    assert set(count.values()) == {2}


def test_a_study_whose_seeds_all_diverged_before_any_reading_is_judged(tmp_path):
    root = write_study(
        tmp_path / "study", diverged=range(5), status=dict.fromkeys(FRECHET, "diverged"), read=False
    )
    by_id = {v.claim.id: v for v in ledger([root])}
    alone = [name for name, claim in CLAIMS.items() if claim.arms == ("vral-meta",)]
    gated = {n for n in alone if CLAIMS[n].competent}  # No G that could be read was alive.
    assert by_id.keys() >= {n for n in alone if CLAIMS[n].experiment == "ratios"} - gated
    assert not by_id.keys() & gated
    for name in ("C3.ks-fake", "C4.vral-meta", "C5.swing.vral-meta"):
        assert (by_id[name].verdict, by_id[name].diverged) == ("refuted", 5)


# ---- settings ------------------------------------------------------------------------------


@pytest.fixture
def short(tmp_path):
    return write_study(tmp_path / "study", changed={"50": {"rounds": 2}, "1": {"rounds": 3}})


def test_runs_with_the_experiments_settings_need_no_word(tmp_path):
    assert all(v.settings == () for v in ledger([write_study(tmp_path / "study")]))
    usual = EXPERIMENTS["toy2d"].config(Arm("r1"), "1", "line")
    often = usual.model_copy(update={"record_every": 7, "probe_every": 3, "seeds": (8,)})
    assert changes(usual, often.model_dump(mode="json")) == {}


def test_how_often_is_read_is_named_where_the_experiment_says_it(tmp_path):
    root = write_study(tmp_path / "study", changed={"50": {"record_every": 7}})
    by_id = {v.claim.id: v for v in ledger([root])}
    assert by_id["C5.swing.vral-meta"].settings == ("--record-every 7 (not 50)",)


def test_every_form_of_the_ledger_names_other_settings_than_the_experiments(tmp_path, short):
    by_id = {v.claim.id: v for v in ledger([short])}
    at_50, at_1 = "--rounds 2 (not 1000)", "--rounds 3 (not 5000)"
    assert set(by_id["C7.frechet"].settings) == {at_50, at_1}  # it reads both ratios
    assert by_id["C5.swing.vral-meta"].settings == (at_50,)
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}\n{END}\n")
    shown = call(short, "--into", page)
    assert at_50 in shown.output
    assert "of runs with other settings than the experiment's" in shown.output
    assert f"Other settings than the experiment's: {at_1}, {at_50}." in page.read_text()
    data = json.loads(call(short, "--json").output)
    entry = next(v for v in data["verdicts"] if v["claim"] == "C5.swing.vral-meta")
    assert entry["settings"] == [at_50]


def test_numbers_without_chance_name_the_options_of_their_command(tmp_path):
    root = write_measured(tmp_path / "errata", "errata", T5_r3gan=0.2)
    (bare,) = ledger([root])
    assert bare.settings == ()
    commands = ["reproduce errata --out x", "reproduce errata --step 0.3 --out=x --animate y.gif"]
    write_json(root / "study.json", {"experiment": "errata", "commands": commands})
    (verdict,), still_open = examine([root])
    assert verdict.settings == ("--step 0.3",)
    command = next(e.command for e in still_open if e.claim.id == "T5.escape")
    assert command == f"vral reproduce errata --out {root}-2"


SAME = {ratio: {"lr": 5e-4, "rounds": 1200} for ratio in FRECHET}


@pytest.mark.parametrize(
    ("changed", "options", "folder"),
    [
        ({}, "", "study"),
        ({"50": {"rounds": 2}}, "", "study"),  # a run takes more rounds
        (SAME, "--lr 0.0005 --rounds 1200 ", "study"),
        ({"50": {"lr": 5e-4}}, "", "study-2"),
        ({key: {"g_objective": "mean"} for key in FRECHET}, "", "study-2"),  # what makes an arm
    ],
)
def test_the_command_of_what_was_not_run_is_one_that_works(
    tmp_path, monkeypatch, changed, options, folder
):
    root = write_study(tmp_path / "study", changed=changed)
    _, still_open = examine([root])
    command = next(e.command for e in still_open if e.claim.id == "C7.standard")
    assert command == f"vral reproduce ratios {options}--out {tmp_path / folder}"
    monkeypatch.setattr("vral.cli.experiments.estimate", lambda *_: 0.0)
    tried = CliRunner().invoke(main, [*shlex.split(command)[1:], "--dry-run"])
    assert tried.exit_code == 0, tried.output


@pytest.mark.parametrize("made", [False, True])
def test_a_folder_that_is_no_study_is_refused(tmp_path, made):
    if made:
        (tmp_path / "x").mkdir()
    with pytest.raises(FolderError, match=r"STUDY: .*/x given, which holds no study\.json"):
        ledger([tmp_path / "x"])


# ---- without chance ------------------------------------------------------------------------


def write_measured(root, experiment, **rows):
    """A study of numbers; ``rows`` are claims by id (dots as underscores) with their numbers."""
    root.mkdir()
    write_json(root / "study.json", {"experiment": experiment, "commands": ["reproduce"]})
    if rows:
        claims = [CLAIMS[name.replace("_", ".")] for name in rows]
        made = Measured([c.row.row(v) for c, v in zip(claims, rows.values(), strict=True)])
        made.frame().write_csv(root / MEASURED)
    return root


def test_numbers_without_chance_are_judged_beside_seeds_and_outside_their_family(tmp_path):
    seeded = write_study(tmp_path / "study")
    alone = {v.claim.id: v for v in ledger([seeded])}
    computed = write_measured(tmp_path / "errata", "errata", T5_r3gan=0.2, T5_jacobian=1.0)
    by_id = {v.claim.id: v for v in ledger([seeded, computed])}
    assert {k: v for k, v in by_id.items() if k in alone} == alone
    assert by_id["T5.r3gan"].verdict == "confirmed"
    assert by_id["T5.jacobian"].verdict == "refuted"
    assert not by_id["T5.r3gan"].survives


def write_score_game(root, claim, cases, coverage=(0.6,) * 5):
    """The claim's quantity, from 0.6 on by 0.05, and the coverage of the held G."""
    rows = [
        Quantity(case, name).row(value)
        for i, case in enumerate(cases)
        for name, value in ((claim.quantity, 0.6 + i / 20), (score_map.COVERAGE, coverage[i]))
    ]
    Measured(rows).frame().write_csv(root / MEASURED)


@pytest.mark.parametrize(("seeds", "settings"), [(5, ""), (4, ""), (5, "; --updates 9")])
def test_numbers_of_seeds_are_judged_over_seeds_and_in_the_family(tmp_path, seeds, settings):
    """Four of them are too few, and those of other settings are not the claim's."""
    claim, root = CLAIMS["T9.steps.ten"], tmp_path / "study"
    root.mkdir()
    write_json(root / "study.json", {"experiment": claim.experiment, "commands": ["reproduce"]})
    write_score_game(root, claim, [f"seed {seed}{settings}" for seed in range(seeds)])
    verdicts, still_open = examine([root])
    if seeds == 5 and not settings:
        (verdict,) = verdicts
        assert (verdict.verdict, verdict.seeds, verdict.dataset) == ("confirmed", 5, "digits")
        assert (verdict.effect, verdict.low, verdict.high) == pytest.approx((0.7, 0.6, 0.8))
        assert verdict.in_family
        assert verdict.p < 0.05
    else:
        assert verdicts == []
        reason = next(entry.reason for entry in still_open if entry.claim.id == claim.id)
        few = "4 of the 5 seeds that a verdict needs"
        assert reason == (f"{MEASURED} has no row of a seed: {claim.quantity}" if settings else few)


@pytest.mark.parametrize("name", [name for name in CLAIMS if name.startswith("T9.")])
@pytest.mark.parametrize("middle", [0.5, 0.49, float("nan")])
def test_scores_of_a_held_g_that_is_dead_have_no_verdict(tmp_path, name, middle):
    """The median over seeds decides; a seed without a coverage counts as 0."""
    claim, root = CLAIMS[name], tmp_path / "study"
    root.mkdir()
    write_json(root / "study.json", {"experiment": claim.experiment, "commands": ["reproduce"]})
    cases = [f"seed {seed}" for seed in range(5)]
    write_score_game(root, claim, cases, (0.9, 0.8, middle, 0.3, 0.2))
    verdicts, still_open = examine([root])
    if middle == 0.5:
        assert [verdict.claim for verdict in verdicts] == [claim]
    else:
        assert verdicts == []
        (entry,) = (entry for entry in still_open if entry.claim == claim)
        reached = "0.49" if middle == 0.49 else "0.3"
        says = f"not testable: the median coverage of the held G is {reached}, asked ≥ 0.5"
        assert (entry.reason, entry.not_testable) == (says, True)


def test_rows_that_lack_are_not_run(tmp_path):
    root = write_measured(tmp_path / "errata", "errata", T5_r3gan=0.2)
    empty = write_measured(tmp_path / "dirac", "dirac")
    verdicts, still_open = examine([root, empty])
    assert [v.claim.id for v in verdicts] == ["T5.r3gan"]
    waiting = {entry.claim.id: entry for entry in still_open}
    assert waiting.keys() == ASKED - {"T5.r3gan"}
    assert waiting["T5.escape"].command == f"vral reproduce errata --out {root}"
    assert waiting["T6.meta"].reason == "measured.csv has no row VRAL meta: abscissa of (θ, ψ)"


def test_rows_that_are_corrupt_are_one_line_and_exit_code_2(tmp_path):
    root = write_measured(tmp_path / "errata", "errata")
    for text in ("", "case,quantity\n1,2\n", "case,quantity,measured,expected,source\na,b,c,d,e\n"):
        (root / MEASURED).write_text(text)
        assert "measured.csv is corrupt" in one_line_error(call(root))


def test_every_form_of_the_ledger_says_what_is_deterministic(tmp_path):
    root = write_measured(tmp_path / "errata", "errata", T5_r3gan=0.25, T5_jacobian=1.0)
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}\n{END}\n")
    make_figure(tmp_path / "runs" / "published" / "errata" / "errata.png")
    shown = call(root, "--into", page)
    assert shown.exit_code == 0, shown.output
    assert "0.25, asked: ≥ 0.01; Dirac-GAN, deterministic" in shown.output
    assert "2 claims without chance: 1 confirmed, 1 refuted," in shown.output
    assert "decided by chance" not in shown.output
    assert "seeds" not in page.read_text().replace("without seeds", "")
    assert "Measured: 0.25, asked: ≥ 0.01, deterministic." in page.read_text()
    figure = "[errata](runs/published/errata/errata.png)"
    assert f"equation 12 lacks a square. | ✓ 1 | {figure} |" in page.read_text()
    assert f"loses rows of its Jacobian. | ✗ 1 | {figure} |" in page.read_text()
    data = json.loads(call(root, "--json").output)
    entry = next(v for v in data["verdicts"] if v["claim"] == "T5.r3gan")
    assert (entry["kind"], entry["seeds"], entry["p"]) == ("deterministic", 0, None)
    assert entry["effect"] == entry["low"] == entry["high"] == 0.25


@pytest.mark.slow
def test_the_numbers_of_a_real_command_are_judged(tmp_path):
    """The errata: the three published mistakes are found by computing both ways."""
    root = tmp_path / "errata"
    made = CliRunner().invoke(main, ["reproduce", "errata", "--out", str(root)])
    assert made.exit_code == 0, made.output
    by_id = {v.claim.id: v for v in ledger([root])}
    assert by_id.keys() == {"T5.consensus", "T5.escape", "T5.r3gan", "T5.jacobian"}
    assert {v.verdict for v in by_id.values()} == {"confirmed"}
    assert by_id["T5.r3gan"].effect == pytest.approx(0.691013748 - 0.476969601)


def test_an_identity_is_shown_but_not_counted(tmp_path):
    verdicts, _ = examine([write_study(tmp_path / "study")])
    seeded = next(v for v in verdicts if v.claim.id == "C7.frechet")
    identity = replace(seeded, claim=CLAIMS["A.scale"], p=float("nan"))
    assert CLAIMS["A.scale"].kind == "identity"
    alone, both = family_notes([seeded]), family_notes([seeded, identity])
    assert [note for note in both if note in alone] == alone
    (note,) = (note for note in both if note not in alone)
    assert "True by arithmetic" in note
    assert "A.scale" in note
    assert as_families([seeded, identity])[0].survives == as_families([seeded])[0].survives
    text = as_markdown([seeded, identity], tmp_path / "page.md", "figures")
    assert "5 seeds, identity" in text
    assert "Confirmed: 1 parts" in text


# ---- vral claims ---------------------------------------------------------------------------


def make_figure(file):
    file.parent.mkdir(parents=True)
    file.touch()


def call(*arguments):
    return CliRunner().invoke(main, ["claims", *map(str, arguments)], env={"COLUMNS": "160"})


def test_the_command_shows_verdicts_seeds_and_the_family(tmp_path):
    result = call(write_study(tmp_path / "study"))
    assert result.exit_code == 0, result.output
    line = next(text for text in result.output.splitlines() if "C7.frechet" in text)
    assert "confirmed" in line
    assert "≤ 1.25" in line
    assert "claims judged, each by itself at the nominal 5%" in result.output
    assert "Holm" in result.output
    assert "vral reproduce parzen" in result.output


@pytest.mark.parametrize("seeds", range(2, 7))
def test_a_verdict_needs_so_many_seeds_that_chance_seldom_confirms(tmp_path, seeds):
    """A null effect is confirmed where all seeds fall on one side: with probability 2^-seeds."""
    verdicts, still_open = examine([write_study(tmp_path / "study", seeds=seeds)])
    too_few = 2.0**-seeds > LEVEL
    assert bool(verdicts) != too_few
    first = headline(verdicts, still_open)
    assert first.startswith(
        f"{NUMBERS[seeds].capitalize()} seeds: not judged. A verdict needs"
    ) == (too_few)
    assert all(entry.seeds in (0, seeds) for entry in still_open)


def test_every_form_says_once_and_first_that_few_seeds_are_not_judged(tmp_path):
    root = write_study(tmp_path / "study", seeds=2)
    result = call(root)
    assert result.exit_code == 0
    assert result.output.startswith("Two seeds: not judged. A verdict needs at least five: ")
    assert result.output.count("not judged.") == 1
    assert not re.search("confirmed|refuted|inconclusive|95 %", result.output)
    assert f"vral reproduce ratios --out {root}" in result.output
    data = json.loads(call(root, "--json").output)
    assert data["verdicts"] == []
    [note] = data["notes"]
    assert result.output.startswith(note)
    reasons = {entry["claim"]: entry["reason"] for entry in data["not_run"]}
    assert reasons["C7.frechet"] == "2 of the 5 seeds that a verdict needs"
    page = tmp_path / "page.md"
    page.write_text("<!-- claims -->\n<!-- /claims -->\n")
    refused = call(root, "--into", page)
    assert refused.exit_code == 2
    assert note in refused.stderr
    assert page.read_text() == "<!-- claims -->\n<!-- /claims -->\n"


def test_a_study_with_few_seeds_beside_another_is_named(tmp_path):
    roots = [write_study(tmp_path / str(seeds), seeds=seeds) for seeds in (2, 5)]
    verdicts, still_open = examine(roots)
    assert {verdict.study for verdict in verdicts} == {roots[1]}
    assert headline(verdicts, still_open).startswith("Two seeds (ratios on digits): not judged. ")


def test_json_holds_the_whole_ledger(tmp_path):
    result = call(write_study(tmp_path / "study", diverged=[0, 3, 4]), "--json")
    data = json.loads(result.output)
    assert data["judged"] == len(data["verdicts"])
    entry = next(v for v in data["verdicts"] if v["claim"] == "C7.frechet")
    assert (entry["effect"], entry["diverged"], entry["threshold"]) == ("inf", 3, "≤ 1.25")
    assert entry["history"][0] == {
        "since": "2026-11-22",
        "threshold": "≤ 1.25",
        "note": "specification section 6",
    }
    known = {entry["claim"] for part in ("verdicts", "not_run") for entry in data[part]}
    assert known == ASKED


@pytest.mark.parametrize(("arguments", "message"), [(["nowhere"], "does not exist"), ([], "STUDY")])
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    result = call(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.strip().count("\n") == 0


def test_arguments_that_are_no_studies_are_named_and_left_out(tmp_path):
    root = write_study(tmp_path / "study")
    (tmp_path / "README.md").touch()
    (tmp_path / "published").mkdir()
    others = [tmp_path / "README.md", tmp_path / "published"]
    alone, among = call(root, "--json"), call(others[0], root, others[1], "--json")
    assert (alone.exit_code, alone.stderr) == (among.exit_code, "") == (0, "")
    assert among.stdout == alone.stdout
    message = f"STUDY: left out, without a study.json: {others[0]}, {others[1]}\n"
    assert among.stderr == message
    assert "none of which holds a study.json" in one_line_error(call(*others))
    assert "holds no study.json" in one_line_error(call(others[1]))


def test_a_corrupt_study_is_not_left_out(tmp_path):
    whole, broken = (write_study(tmp_path / name) for name in ("whole", "broken"))
    (broken / "study.json").write_text("[]")
    assert f"{broken / 'study.json'} is corrupt" in one_line_error(call(whole, broken))


@pytest.mark.parametrize("name", ["study.json", "run.json", "round-*.parquet"])
def test_a_corrupt_study_is_one_line_and_exit_code_2(tmp_path, name):
    root = write_study(tmp_path / "study")
    file = next(root.rglob(name))
    file.write_text("[]")
    assert one_line_error(call(root)).startswith(f"Error: {file} is corrupt")


def test_an_unknown_experiment_is_one_line_and_exit_code_2(tmp_path):
    write_json(tmp_path / "study.json", {"experiment": "rations", "commands": []})
    message = one_line_error(call(tmp_path))
    assert f"STUDY: {tmp_path} holds the experiment 'rations'; allowed: well-trained, " in message
    assert "spectrum-mog" in message


def test_figures_without_a_page_to_link_from_are_refused(tmp_path):
    message = one_line_error(call(tmp_path, "--figures", "pictures"))
    assert "--figures: pictures given without --into" in message


@pytest.mark.parametrize("block", ["", "stale\n", "\nstale\n\n"])
def test_the_table_of_a_page_is_rewritten_between_its_marks_and_nothing_else(tmp_path, block):
    root = write_study(tmp_path / "study")
    make_figure(tmp_path / "figures" / "ratios-digits" / "samples.png")
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\n{block}{END}\nafter\n")
    command = ["claims", str(root), "--into", str(page), "--figures", "figures"]
    assert CliRunner().invoke(main, command).exit_code == 0
    once = page.read_text()
    assert once.startswith(f"before\n{BEGIN}\n")
    assert once.endswith(f"\n{END}\nafter\n")
    assert "stale" not in once
    assert "| **C7** VRAL is robust to large ratios" in once
    assert "| ✓ 2 (0 of 2 survive Holm) | [samples, digits](figures/" in once
    assert "- **C7.frechet**, digits: " in once
    assert "Measured: 0.5 [0.5, 0.5], asked: ≤ 1.25, 5 seeds, does not survive Holm." in once
    CliRunner().invoke(main, command)
    assert page.read_text() == once


def test_a_page_links_only_to_figures_that_are_beside_it(tmp_path, monkeypatch):
    seeded = write_study(tmp_path / "study")
    computed = write_measured(tmp_path / "errata", "errata", T5_r3gan=0.25)
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs" / "page.md"
    page.write_text(f"{BEGIN}\n{END}\n")
    make_figure(tmp_path / "runs/published/errata/errata.png")  # beside the shell, not the page
    make_figure(tmp_path / "docs/runs/published/ratios-digits/gradients.png")
    monkeypatch.chdir(tmp_path)
    assert call(seeded, computed, "--into", page).exit_code == 0
    text = page.read_text()
    assert "equation 12 lacks a square. | ✓ 1 | errata | `vral reproduce errata` |" in text
    assert "| samples, digits |" in text
    links = set(re.findall(r"\]\((.*?)\)", text))
    assert links == {"runs/published/ratios-digits/gradients.png"}


def test_a_page_without_marks_is_refused_and_untouched(tmp_path):
    root = write_study(tmp_path / "study")
    page = tmp_path / "page.md"
    page.write_text("mine\n")
    result = CliRunner().invoke(main, ["claims", str(root), "--into", str(page)])
    assert result.exit_code == 2
    assert "has no lines" in result.stderr
    assert page.read_text() == "mine\n"


def test_a_page_keeps_its_table_where_nothing_can_be_judged(tmp_path):
    root = write_study(tmp_path / "study", status={"1": "stopped", "50": "stopped"})
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}\nmine\n{END}")
    result = CliRunner().invoke(main, ["claims", str(root), "--into", str(page)])
    assert result.exit_code == 2
    assert page.read_text() == f"{BEGIN}\nmine\n{END}"


def test_one_study_under_two_names_counts_once(tmp_path, monkeypatch):
    root = write_study(tmp_path / "study")
    monkeypatch.chdir(tmp_path)
    once = ledger([root])
    assert len(ledger([root, "study", "./study/../study"])) == len(once)
