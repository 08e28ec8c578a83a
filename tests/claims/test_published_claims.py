"""The published ledger: what is kept as it was judged, and what is judged anew."""

import json
import shutil
from dataclasses import replace
from math import inf, nan
from pathlib import Path

import pytest

from vral.claims import Unjudged, examine, published
from vral.claims.catalogue import CLAIMS
from vral.claims.published import as_data, published_ledger, read_ledger, with_settings
from vral.claims.verdict import Verdict

ROOT = Path(__file__).parents[2]
OLD = Verdict(
    CLAIMS["C4.vral-meta"], "digits", 0.56, 0.4, inf, 5, "inconclusive", Path("runs/ratios"), 1, 1.0
)
ELSEWHERE = replace(OLD, claim=CLAIMS["C6.lipschitz"], effect=nan, study=Path("runs/lipschitz"))


def folder(tmp_path, verdicts):
    """A published folder with these verdicts alone, on studies of the earlier protocol."""
    root = tmp_path / "published"
    for verdict in verdicts:
        settings = root / f"{verdict.claim.experiment}-{verdict.dataset}" / "about.json"
        settings.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "runs/published/ratios-mnist/about.json", settings)
    (root / "claims.json").write_text(json.dumps(as_data(verdicts, [], [])), encoding="utf-8")
    return root


def values(verdict):
    kept = ("dataset", "effect", "low", "high", "p", "seeds", "verdict", "diverged", "settings")
    return [verdict.claim.id, *(str(getattr(verdict, name)) for name in kept)]


def test_what_is_written_is_read_again(tmp_path):
    found = read_ledger(folder(tmp_path, [OLD, ELSEWHERE]))
    assert list(map(values, found)) == list(map(values, [OLD, ELSEWHERE]))


def test_a_verdict_keeps_the_words_and_the_threshold_that_it_was_judged_by(tmp_path):
    root = folder(tmp_path, [OLD])
    data = json.loads((root / "claims.json").read_text(encoding="utf-8"))
    data["verdicts"][0] |= {"threshold": "≥ 7", "restatement": "Said otherwise."}
    (root / "claims.json").write_text(json.dumps(data), encoding="utf-8")
    (found,) = read_ledger(root)
    assert (str(found.claim.threshold), found.claim.restatement) == ("≥ 7", "Said otherwise.")


@pytest.mark.parametrize("hopeless", [False, True])
def test_a_claim_that_is_judged_anew_or_not_testable_loses_its_earlier_verdict(
    tmp_path, monkeypatch, hopeless
):
    root = folder(tmp_path, [OLD, ELSEWHERE])
    new = replace(OLD, effect=0.9, low=0.8, high=1.0, study=root / "ratios-digits")
    open_now = Unjudged(OLD.claim, "digits", "not testable: …", "", not_testable=True)
    seen = ([], [open_now]) if hopeless else ([new], [])
    monkeypatch.setattr(published, "examine", lambda roots: seen)
    verdicts, waiting = published_ledger(root)
    ids = [v.claim.id for v in verdicts]
    assert ELSEWHERE.claim.id in ids
    assert ids.count(OLD.claim.id) == (0 if hopeless else 1)
    assert [e.claim.id for e in waiting] == ([OLD.claim.id] if hopeless else [])
    assert [v.effect for v in verdicts if v.claim.id == OLD.claim.id] == [0.9] * (not hopeless)


def test_a_claim_that_the_new_study_has_not_run_keeps_its_earlier_verdict(tmp_path, monkeypatch):
    waiting = Unjudged(OLD.claim, "digits", "vral-meta at 50 has not been run", "")
    monkeypatch.setattr(published, "examine", lambda roots: ([], [waiting]))
    verdicts, still_open = published_ledger(folder(tmp_path, [OLD]))
    assert [v.claim.id for v in verdicts] == [OLD.claim.id]
    assert still_open == []


def test_verdicts_on_studies_that_are_kept_are_not_read_from_the_file(tmp_path, monkeypatch):
    """They are judged on the runs: a file that says otherwise changes nothing."""
    kept = replace(OLD, study=Path("runs/published/ratios-digits"))
    monkeypatch.setattr(published, "examine", lambda roots: ([], []))
    verdicts, _ = published_ledger(folder(tmp_path, [kept, ELSEWHERE]))
    assert [v.claim.id for v in verdicts] == [ELSEWHERE.claim.id]


def test_verdicts_on_a_study_whose_folder_was_replaced_are_gone(tmp_path, monkeypatch):
    root = folder(tmp_path, [OLD, ELSEWHERE])
    (root / "ratios-digits/about.json").unlink()
    monkeypatch.setattr(published, "examine", lambda roots: ([], []))
    assert [v.claim.id for v in published_ledger(root)[0]] == [ELSEWHERE.claim.id]


def test_an_earlier_verdict_names_how_its_runs_differ_from_the_experiment_now():
    found = with_settings(replace(OLD, dataset="mnist"), ROOT / "runs/published")
    assert "--norm-g none (not batch)" in found.settings
    assert with_settings(replace(OLD, dataset="ring"), ROOT / "runs/published").settings == ()


def test_the_published_deck_is_judged_on_its_runs():
    root = ROOT / "runs/published/deck-mnist"
    (verdict,) = (v for v in examine([root])[0] if v.claim.id == "C1.panels.saturating")
    (again,) = (v for v in published_ledger(root.parent)[0] if v.claim.id == "C1.panels.saturating")
    assert verdict.verdict == again.verdict == "confirmed"
    assert (verdict.effect, verdict.low, verdict.high) == (again.effect, again.low, again.high)
    assert str(again.study) == "runs/published/deck-mnist"
