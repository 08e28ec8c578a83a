"""One answer to each question: which parts it reads, and how they combine."""

from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from vral.claims import withdrawn
from vral.claims.answers import FORM_NAMES, answer, answers, combine
from vral.claims.catalogue import CLAIMS
from vral.claims.ledger import Unjudged
from vral.claims.markdown import answers_table, write_between_marks
from vral.claims.panels import FORMS
from vral.claims.primary import PRIMARY, QUESTIONS, as_families
from vral.claims.verdict import JUDGEMENTS, Verdict
from vral.claims.wording import tally_of_parts
from vral.study.experiments import EXPERIMENTS

BY_ID = {question.id: question for question in QUESTIONS}


def verdict(name: str, judged: str = "confirmed", survives: bool = True, **more) -> Verdict:
    claim = CLAIMS[name]
    dataset = dict([q.study for q in QUESTIONS]).get(claim.experiment, "digits")
    plain = Verdict(claim, dataset, 1.0, 1.0, 1.0, 5, judged, Path("study"), 0, 1e-9)
    return replace(plain, survives=survives, **more)


def world(question, judged=lambda name: "confirmed", **more) -> list[Verdict]:
    patterns = (*question.parts, *question.controls)
    names = dict.fromkeys(n for f in question.forms or ("",) for n in question.claims(patterns, f))
    return [verdict(name, judged(name), **more) for name in names]


def test_the_questions_are_c1_to_c11_and_every_part_exists():
    assert list(BY_ID) == [f"C{i}" for i in range(1, 12)]
    for question in QUESTIONS:
        experiment, dataset = question.study
        assert dataset in EXPERIMENTS[experiment].datasets
        assert question.text.endswith("?")
        assert question.yes
        assert not question.yes.endswith(".")
        for role in (question.parts, question.controls, question.beside):
            for pattern in role:
                for form in question.forms or ("",):
                    names = question.claims([pattern], form)
                    assert names, pattern
                    assert role is question.beside or all(map(question.words, names))
                    assert {CLAIMS[name].family for name in names} == {question.id}


def test_every_claim_of_the_deck_is_the_gate_a_part_a_control_or_beside():
    used = set()
    for question in QUESTIONS:
        patterns = (*question.parts, *question.controls, *question.beside)
        for form in question.forms or ("",):
            used |= set(question.claims(patterns, form))
    deck = {name for name, claim in CLAIMS.items() if claim.experiment == "deck"}
    assert deck - used == {name for name in deck if CLAIMS[name].family == "C0"}


@pytest.mark.parametrize("name", ["C3", "C4", "C7", "C8"])
def test_every_form_is_answered_by_the_parts_that_name_it(name):
    for form in FORMS:
        parts = BY_ID[name].claims([p for p in BY_ID[name].parts if "{form}" in p], form)
        of_form = [n for n in CLAIMS if n.startswith(f"{name}.panels.") and form in n.split(".")]
        assert parts == of_form


def test_of_several_outcomes_the_gravest_decides():
    assert combine(["holds", "holds"]) == "holds"
    assert combine(["holds", "undecided"]) == "undecided"
    assert combine(["undecided", "not testable"]) == "not testable"
    assert combine(["not testable", "does not hold", "holds"]) == "does not hold"
    assert combine(["does not hold", "not yet run"]) == combine([]) == "not yet run"


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.id)
def test_a_question_holds_with_all_parts_and_one_refuted_part_is_enough_against_it(
    question, monkeypatch
):
    monkeypatch.setattr(withdrawn, "WITHDRAWN", ())  # C11's studies are
    everything = world(question)
    all_hold = answer(question, everything, [])
    assert (all_hold.outcome, all_hold.survives) == ("holds", True)
    parts = {part.claim for part in all_hold.parts}
    for name in parts:
        against = answer(question, world(question, lambda n, at=name: JUDGEMENTS[n == at]), [])
        assert (against.outcome, against.survives) == ("does not hold", True)
        open_ = answer(question, world(question, lambda n, at=name: JUDGEMENTS[2 * (n == at)]), [])
        assert (open_.outcome, open_.survives) == ("undecided", False)
        missing = answer(question, [v for v in everything if v.claim.id != name], [])
        assert missing.outcome == "not yet run"
        assert f"vral reproduce {question.of(name)[0]}" in missing.sentence
    for part in all_hold.controls:
        fails = answer(question, world(question, lambda n, at=part.claim: JUDGEMENTS[n == at]), [])
        assert fails.outcome == "not testable"
        assert f"control fails: {question.words(part.claim)}: 1 [1, 1], asked" in fails.sentence


WINDOWS = "with a narrow Parzen window and with the authors' Parzen window"


def test_a_claim_that_holds_for_some_forms_is_said_in_one_sentence():
    def judged(name):
        return "refuted" if name == "C3.panels.ks-fake.vral-meta" else "confirmed"

    given = answer(BY_ID["C3"], world(BY_ID["C3"], judged), [])
    assert given.outcome == "does not hold"
    yes = BY_ID["C3"].yes
    assert given.sentence == (
        f"Yes with ten steps, {WINDOWS}: {yes}; no with one step (KS distance of the scores of "
        "fake samples to their target: 1 [1, 1], asked ≤ 0.1)."
    )
    assert given.headline == (
        "Yes with ten steps, a narrow Parzen window and the authors' Parzen window: "
        f"{yes}; no with one step."
    )
    alone = answer(BY_ID["C10"], world(BY_ID["C10"]), [])
    assert alone.headline == alone.sentence
    every = answer(BY_ID["C3"], world(BY_ID["C3"]), [])
    assert every.sentence == f"Yes with one step, with ten steps, {WINDOWS}: {yes}."
    assert set(FORM_NAMES) == set(FORMS)


def test_a_form_that_was_not_run_is_named_beside_those_that_were():
    lacking = [v for v in world(BY_ID["C7"]) if v.claim.id != "C7.panels.matched.vral-meta-10"]
    given = answer(BY_ID["C7"], lacking, [])
    assert given.outcome == "not yet run"
    assert given.sentence.startswith(f"Yes with one step, {WINDOWS}: its Fréchet distance is")
    assert given.sentence.endswith("; not yet run with ten steps (vral reproduce deck).")


def test_of_several_refuted_parts_the_first_that_survives_is_named():
    def judged(name):
        return "refuted" if name in (first, "C8.panels.learns.vral-meta") else "confirmed"

    first = "C8.panels.vral-meta"
    parts = world(BY_ID["C8"], judged)
    chance = [replace(v, survives=v.claim.id != first) for v in parts]
    said = answer(BY_ID["C8"], chance, []).sentence
    assert said.endswith("; no with one step (coverage: 1 [1, 1], asked ≥ 0.3).")
    said = answer(BY_ID["C8"], parts, []).sentence
    assert said.endswith(
        "; no with one step (Fréchet distance over the best other's: 1 [1, 1], asked ≤ 1.25)."
    )


def test_a_single_part_that_is_open_is_named_and_several_are_counted():
    question = BY_ID["C11"]
    one, both = (
        answer(question, world(question, lambda n, at=at: JUDGEMENTS[2 * n.startswith(at)]), [])
        for at in ("C11.variance.hidden=0.3", "C11.variance")
    )
    assert one.sentence == (
        "Undecided: variance with noise of sd 0.3 over that without: 1 [1, 1], asked ≥ 2."
    )
    assert both.sentence == "Undecided: the seeds leave 2 of 4 parts open."


def test_the_words_of_a_part_name_a_method_by_its_label_and_no_other_claim_has_any():
    assert BY_ID["C2"].words("C2.panels.vral-meta-10.nonsaturating") == (
        "size of its signal over -log D's"
    )
    assert BY_ID["C3"].words("C3.panels.mean-fake.vral-meta") == (
        "distance of the mean on fake samples to its target"
    )
    for claim in ("C2.usefulness.vral-meta+damped.cosine", "C2.points.control", "C3.panels"):
        with pytest.raises(KeyError):
            BY_ID["C2"].words(claim)


def test_each_form_is_told_by_its_own_parts_and_by_what_its_own_g_has_learned():
    weak, strong = "C4.panels.vral-parzen", "C4.panels.vral-meta"
    parts = world(BY_ID["C4"], lambda name: JUDGEMENTS[name in (weak, strong)])
    parts = [replace(v, effect=0.02 if v.claim.id == weak else 9.0) for v in parts]
    learned = [
        replace(verdict("C8.panels.learns.vral-parzen", "refuted"), effect=0.002),
        verdict("C8.panels.learns.vral-meta"),
    ]
    assert answer(BY_ID["C4"], [*parts, *learned], []).sentence == (
        f"Yes with ten steps and with the authors' Parzen window: {BY_ID['C4'].yes}; no with one "
        "step (Var D(G(z)): 9 [1, 1], asked 0.5 … 1.5) and with a narrow Parzen window (Var "
        "D(G(z)): 0.02 [1, 1], asked 0.5 … 1.5; its G has not learned: coverage 0.002)."
    )


def test_a_form_that_is_not_testable_says_why():
    name = "C4.panels.vral-parzen"
    parts = [v for v in world(BY_ID["C4"]) if v.claim.id != name]
    dead = Unjudged(CLAIMS[name], "mnist", "not testable: a G is dead", "", not_testable=True)
    elsewhere = replace(dead, dataset="digits", reason="not testable: another", not_testable=True)
    said = answer(BY_ID["C4"], parts, [elsewhere, dead]).sentence
    assert said.endswith("; not testable with a narrow Parzen window (a G is dead).")


@pytest.mark.parametrize(
    ("control", "part", "outcome"),
    [
        ("inconclusive", "confirmed", "undecided"),
        ("inconclusive", "refuted", "undecided"),
        ("refuted", "refuted", "not testable"),
        ("refuted", None, "not testable"),
        ("inconclusive", None, "not yet run"),
        (None, "refuted", "not yet run"),
    ],
)
def test_without_its_control_nothing_is_decided(control, part, outcome):
    question = BY_ID["C7"]
    judged = {"C7.panels.matched.wgan-gp": control, "C7.panels.keeps.vral-meta": part}
    found = world(question, lambda name: judged.get(name) or "confirmed")
    found = [v for v in found if judged.get(v.claim.id, "") is not None]
    given = answer(question, found, [])
    assert (given.outcome, given.by_form, given.survives) == (outcome, {}, False)


def test_the_command_of_a_part_is_that_of_the_study_that_lacks_it():
    waiting = [
        Unjudged(CLAIMS[v.claim.id], "digits", "has not been run", "vral reproduce clipping -o x")
        for v in world(BY_ID["C10"])
    ]
    assert (
        answer(BY_ID["C10"], [], waiting).sentence == "Not yet run: vral reproduce clipping -o x."
    )


# ---- Holm's families ------------------------------------------------------------------------


def test_the_parts_and_controls_are_one_family_whatever_else_is_given():
    """Of one size: five small ps of it decide no more beside a hundred large ones than alone."""
    few = [replace(v, p=1e-9) for v in world(BY_ID["C10"])]
    level = 0.025 / (len(PRIMARY) - len(few))  # what the next one needs
    for p, stands in ((0.99 * level, True), (1.01 * level, False)):
        next_one = replace(verdict("C9.panels.benefit.h1"), p=p)
        others = [replace(verdict("C10.clip-all"), p=p2) for p2 in (1e-12, 1e-9, *[1.0] * 300)]
        alone = as_families([*few, next_one])
        beside = as_families([*few, next_one, *others])
        assert [v.survives for v in alone] == [True] * len(few) + [stands]
        assert [v.survives for v in beside[: len(alone)]] == [v.survives for v in alone]


def test_what_is_no_part_is_a_family_of_what_is_given():
    other = verdict("C10.clip-all")
    changed = replace(verdict("C9.panels.benefit.h1"), settings=("--rounds 20 (not 1000)",))
    for size in (1, 10):
        for p, stands in ((0.024 / size, True), (0.026 / size, False)):
            given = [replace(v, p=p) for v in (other, changed)][: min(size, 2)]
            padded = [*given, *[replace(other, p=1.0)] * (size - len(given))]
            assert as_families(padded)[0].survives is stands


def test_parts_on_another_data_set_are_a_family_of_the_same_size_by_themselves():
    home = [replace(v, p=1e-9) for v in world(BY_ID["C3"])]
    away = replace(verdict("C9.panels.benefit.h1"), dataset="fashion-mnist", p=0.026 / len(PRIMARY))
    assert not as_families([away])[0].survives
    assert not as_families([*home, away])[-1].survives
    assert as_families([*home, replace(away, dataset="mnist")])[-1].survives


def test_standard_gans_that_lose_nothing_are_enough_against_c7():
    def judged(name):
        return "refuted" if name == "C7.panels.loses.lsgan" else "confirmed"

    given = answer(BY_ID["C7"], world(BY_ID["C7"], judged), [])
    assert set(given.by_form.values()) == {"does not hold"}


def test_a_part_that_chance_may_have_refuted_refutes_nothing():
    """One of C3's parts, or of C8's, is refuted by chance in half of all studies of nothing."""
    question = BY_ID["C3"]
    parts = world(question, lambda name: JUDGEMENTS[name == "C3.panels.ks-fake.vral-meta"])
    weak = [replace(v, survives=v.verdict != "refuted") for v in parts]
    assert answer(question, weak, []).outcome == "undecided"
    assert answer(question, parts, []).outcome == "does not hold"


def test_the_controls_are_those_that_could_fail():
    assert {q.id: tuple(q.controls) for q in QUESTIONS if q.controls} == {
        "C1": ("C1.panels.control.*",),
        "C2": ("C2.points.good",),
        "C7": ("C7.panels.matched.wgan-gp",),
        "C11": ("C11.auc.hidden=*",),
    }


def test_a_gate_that_fails_leaves_nothing_to_test():
    gone = "not testable: the median coverage of lsgan at 1 is 0.1, asked ≥ 0.3"
    waiting = [
        Unjudged(CLAIMS[v.claim.id], "mnist", gone, "", not_testable=True)
        for v in world(BY_ID["C4"])
    ]
    given = answer(BY_ID["C4"], [], waiting)
    assert given.outcome == "not testable"
    assert given.sentence == f"Not testable: {gone.partition(': ')[2]}."


def test_other_settings_other_data_and_withdrawn_runs_answer_nothing():
    question = BY_ID["C10"]
    for changes in (
        {"settings": ("--rounds 20 (not 1000)",)},
        {"dataset": "mnist"},
        {"dataset": "mnist", "settings": ("--rounds 20 (not 1000)",)},
    ):
        changed = [replace(v, **changes) for v in world(question)]
        assert answer(question, changed, []).outcome == "not yet run"


def test_what_is_withdrawn_answers_nothing(monkeypatch):
    monkeypatch.setattr("vral.claims.answers.counts", lambda verdict: verdict.dataset != "digits")
    assert answer(BY_ID["C10"], world(BY_ID["C10"]), []).outcome == "not yet run"
    assert answer(BY_ID["C9"], world(BY_ID["C9"]), []).outcome == "holds"


def test_an_answer_that_holds_survives_only_with_all_its_parts():
    first, *rest = world(BY_ID["C9"]) + world(BY_ID["C10"])
    weak = answer(BY_ID["C9"], [replace(first, survives=False)], [])
    assert (weak.outcome, weak.survives) == ("holds", False)
    assert tally_of_parts(weak) == "✓ 1, does not survive Holm"
    assert answer(BY_ID["C10"], rest, []).survives
    one = [replace(v, survives=fnmatchcase(v.claim.id, "*0.1")) for v in rest]
    assert not answer(BY_ID["C10"], one, []).survives


def test_a_page_may_have_the_eleven_rows_alone(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- answers -->\nold\n<!-- /answers -->\nb\n")
    table = answers_table(answers([], []))
    write_between_marks(page, "every part", table)
    text = page.read_text()
    assert "every part" not in text
    assert "old" not in text
    assert text.count("\n| **C") == 11


def test_without_any_verdict_nothing_is_answered():
    given = answers([], [])
    assert {entry.outcome for entry in given} == {"not yet run"}


def test_an_experiment_that_was_run_on_another_data_set_alone_answers_there():
    question = BY_ID["C4"]
    assert question.study == ("deck", "mnist")
    elsewhere = [replace(v, dataset="fashion-mnist") for v in world(question)]
    (found,) = (a for a in answers(elsewhere, []) if a.question.id == "C4")
    assert (found.outcome, found.question.study) == ("holds", ("deck", "fashion-mnist"))
    (found,) = (a for a in answers([*elsewhere, *world(question)], []) if a.question.id == "C4")
    assert found.question.study == ("deck", "mnist")
    waiting = Unjudged(CLAIMS["C4.panels.vral-meta"], "ring", "", "", given=False)
    (found,) = (a for a in answers([], [waiting]) if a.question.id == "C4")
    assert (found.outcome, found.question.study) == ("not yet run", ("deck", "mnist"))


def test_a_question_names_every_study_that_answers_it():
    rows = answers_table(answers([], [])).splitlines()
    (row,) = (row for row in rows if row.startswith("| **C2**"))
    assert row.endswith("| `deck`, mnist; `usefulness`, digits |")


def test_c6_is_answered_by_what_could_fail_and_c2_shows_the_control_that_failed():
    assert tuple(BY_ID["C6"].parts) == ("C6.correlation", "C6.scale", "C6.lipschitz")
    assert BY_ID["C2"].beside == ("C2.points.control",)
