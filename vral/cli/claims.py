"""``vral claims``: the verdicts on all claims, as a table, as JSON or in a Markdown page."""

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import rich_click as click
from rich.console import Console
from rich.markup import escape

from vral.claims import Unjudged, Verdict, examine
from vral.claims.answers import Answer, answers
from vral.claims.markdown import (
    ANSWERS_BEGIN,
    ANSWERS_END,
    BEGIN,
    END,
    answers_table,
    ledger_text,
    write_between_marks,
)
from vral.claims.order import Order, UnprovenError
from vral.claims.order import order as prove
from vral.claims.published import as_data
from vral.claims.wording import (
    ANSWER_COLOURS,
    ANSWERS_NOTE,
    COLOURS,
    basis,
    family_notes,
    headline,
    holm_note,
    remarks,
    tally_of_parts,
)
from vral.cli.options import NamedPath, studies_argument
from vral.cli.terminal import Column, open_terminal, show_table
from vral.errors import ConfigError
from vral.study.numbers import number
from vral.study.statistics import interval_name

PUBLISHED = "runs/published"
"""The folder of the published studies and figures."""


@click.command("claims")
@studies_argument(all_with="order")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON, for programs.")
@click.option(
    "--into",
    type=NamedPath(dir_okay=False, path_type=Path),
    help="Also rewrite the table of claims in this Markdown page, between its lines "
    f"{BEGIN} and {END}, and the answers to C1 to C11 between {ANSWERS_BEGIN} and {ANSWERS_END}, "
    "where it has these lines.",
)
@click.option(
    "--figures",
    help="With --into: the folder, as the page sees it, that its links look for "
    "<experiment>-<dataset>/<figure>.png in. A figure that is not there is named without a link. "
    f"[dim](default: {PUBLISHED})[/]",
)
@click.option(
    "--order",
    is_flag=True,
    is_eager=True,
    help="Instead say of which claims git proves that their thresholds were committed before the "
    "commit that the runs were made with. Exit code 1 where it does not.",
)
def command(
    studies: tuple[Path, ...], as_json: bool, into: Path | None, figures: str | None, order: bool
) -> None:
    """Judge every claim of the paper and the deck on the results in the STUDY folders.

    A STUDY is a folder that vral reproduce wrote, or its small copy that vral publish made.

    C1 to C11 get one answer each, from the parts that are its test; all parts follow. For Holm's
    method, on which answers rest, these parts are one family whatever is given, and all other
    verdicts that are given another.

    A claim is confirmed or refuted if the whole interval over seeds lies on one side
    of its threshold, and inconclusive otherwise. A number that involves no chance decides alone.
    Claims that cannot be judged yet are listed with the command that would produce their data.
    """
    if figures is not None and into is None:
        raise ConfigError(f"--figures: {figures} given without --into, whose links it sets")
    if order:
        if as_json or into:
            raise ConfigError("--order given with --json or --into; allowed: by itself")
        _show_order(studies)
        return
    verdicts, still_open = examine(studies)
    answered = answers(verdicts, still_open)
    first = headline(verdicts, still_open)
    if into and not verdicts:
        raise ConfigError(f"--into: {into} is left as it is. {first}")
    if into:
        text = ledger_text(verdicts, still_open, into, figures or PUBLISHED)
        write_between_marks(into, text, answers_table(answered))
    if as_json:
        click.echo(
            json.dumps(as_data(verdicts, still_open, answered), indent=1, ensure_ascii=False)
        )
        return
    console = open_terminal()
    if first:
        console.print(first, style="bold", soft_wrap=True)
    if verdicts:
        _show_answers(console, answered)
        _show_verdicts(console, verdicts)
    for line in family_notes(verdicts):
        console.print(line, soft_wrap=True)
    _show_open(console, still_open)


def _show_order(studies: Sequence[Path]) -> None:
    """Print the order of every study; exit with code 1 where one is not proved."""
    proofs: list[Order] = []
    unproven = []
    for root in studies:
        try:
            proofs += prove(root)
        except UnprovenError as error:
            unproven.append(str(error))
    late = [proof for proof in proofs if not proof.registered]
    console = open_terminal()
    for why in unproven:
        console.print(why, soft_wrap=True)
    for proof in late:
        console.print(f"{proof.study}: {proof.claim}: {proof.reason}", soft_wrap=True)
    if not proofs and not unproven:
        console.print("These studies lack runs of every claim, so there is no order to prove.")
        return
    if proofs:
        console.print(
            f"{len(proofs) - len(late)} of {len(proofs)} claims were registered before their runs, "
            "as git proves.",
            soft_wrap=True,
        )
    if late or unproven:
        raise SystemExit(1)


def _show_answers(console: Console, answered: Sequence[Answer]) -> None:
    rows = []
    for answer in answered:
        data = ", ".join(f"{study} on {data}" for study, data in answer.question.studies)
        colour = ANSWER_COLOURS[answer.outcome]
        rows.append(
            (
                f"[bold]{answer.question.id}[/]",
                f"[{colour}]{answer.outcome}[/]",
                f"[bold]{escape(answer.question.text)}[/]\n{escape(answer.sentence)}\n"
                f"[dim]{data}; {tally_of_parts(answer)}[/]",
            )
        )
    columns = (Column("claim"), Column("answer"), Column("question and answer", text=True))
    show_table(console, "Answers, one for each claim of the sources", columns, rows)
    console.print(ANSWERS_NOTE, soft_wrap=True)
    console.print()


COLUMNS = (Column("claim"), Column("verdict"), Column("effect", text=True))


def _show_verdicts(console: Console, verdicts: Sequence[Verdict]) -> None:
    several = len({verdict.study for verdict in verdicts}) > 1
    rows = []
    for verdict in verdicts:
        colour = COLOURS[verdict.verdict]
        where = f"{verdict.dataset}, {basis(verdict)}" + f", {verdict.study}" * several
        rows.append(
            (
                f"[bold]{escape(verdict.claim.id)}[/]",
                f"[{colour}]{verdict.verdict}[/]"
                + f"\n[dim]{holm_note(verdict)}[/]" * bool(holm_note(verdict)),
                f"{escape(_effect(verdict))}, "
                f"asked: {verdict.claim.threshold}; {escape(where)}\n"
                f"[dim]{escape(verdict.claim.quantity)}[/]"
                + "".join(f"\n[yellow]{escape(remark)}[/]" for remark in remarks(verdict)),
            )
        )
    intervals = interval_name(verdict.seeds for verdict in verdicts)
    title = f"Claims: median [{intervals}] over seeds, or the number alone"
    show_table(console, title, COLUMNS, rows)


def _number(value: float) -> str:
    return number(value) if math.isfinite(value) or math.isnan(value) else f"{value:+}"


def _effect(verdict: Verdict) -> str:
    if verdict.claim.kind == "deterministic":
        return _number(verdict.effect)
    return f"{_number(verdict.effect)} [{_number(verdict.low)}, {_number(verdict.high)}]"


def _show_open(console: Console, still_open: Sequence[Unjudged]) -> None:
    """Print what is not testable by reason, and the rest by the command that would run it."""
    groups: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for entry in still_open:
        title = "Not testable" if entry.not_testable else entry.command
        groups[title][entry.reason.removeprefix("not testable: ")].append(entry.claim.id)
    for reason, names in groups.pop("Not testable", {}).items():
        console.print(f"Not testable, since {reason}: {', '.join(names)}", soft_wrap=True)
    if groups:
        console.print("\nNot judged yet:", style="bold")
    for command, reasons in groups.items():
        console.print(f"  {command}", style="cyan", soft_wrap=True)
        for reason, names in reasons.items():
            console.print(f"    {reason}: {', '.join(names)}", soft_wrap=True)
