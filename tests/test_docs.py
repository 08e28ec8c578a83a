"""The pages keep what they promise: their code runs, their commands parse, their links lead on."""

import csv
import json
import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

from vral.claims import CLAIMS
from vral.claims.markdown import ANSWERS_BEGIN, ANSWERS_END, BEGIN, END
from vral.claims.published import restated
from vral.cli.main import main
from vral.cli.options import given
from vral.study.config import resolve
from vral.study.earlier import EARLIER
from vral.study.experiments import EXPERIMENTS, STAGES

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = [
    README,
    ROOT / "runs/README.md",
    ROOT / "runs/published/README.md",
    ROOT / "runs/published/fidelity.md",
    ROOT / "benchmarks/README.md",
    ROOT / ".github/CONTRIBUTING.md",
    ROOT / "vral/CHANGELOG.md",
]
STUDIES_WITHDRAWN = ("ratios-mnist", "well-trained-mnist", "clipping-mnist")
RESTATE = "python -c \"from vral.claims.published import restate; restate('runs/published')\""
LEDGER = re.compile(r"<!-- claims -->.*<!-- /claims -->", re.DOTALL)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> list[str]:
    """The page's fenced blocks of one language ("" for none), without their fences."""
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", text_of(page), re.DOTALL | re.MULTILINE)
    return [text for tag, text in fences if tag == language]


def commands(page: Path) -> list[str]:
    """Every ``vral …`` command of a page, in blocks and in lines of text, without comments."""
    in_blocks = [line for block in blocks(page, "") for line in block.splitlines()]
    prose = re.sub(r"^```.*?^```$", "", text_of(page), flags=re.DOTALL | re.MULTILINE)
    in_lines = re.findall(r"`(vral [^`]*)`", prose)
    whole = [line.split(" #")[0].strip() for line in in_blocks if line.startswith("vral ")]
    return list(dict.fromkeys(whole + [line for line in in_lines if "…" not in line]))


COMMANDS = [(page, command) for page in PAGES for command in commands(page)]


# ---- the front page -----------------------------------------------------------------------------


def test_the_front_page_is_short_and_begins_with_a_picture_that_fits_a_phone():
    lines = text_of(README).splitlines()
    assert len(lines) <= 200
    pictures = re.findall(r"!\[(.*?)\]\((.*?)\)", text_of(README))
    assert pictures[0][1] == "runs/published/front.png"
    assert len(pictures[0][0]) > 80  # alternative text that says what is drawn


def test_the_front_pages_python_runs(capsys):
    python = blocks(README, "python")
    assert len(python) == 3
    first = [line for line in python[0].splitlines() if line.strip()]
    assert len(first) <= 15, "own networks on own data: fifteen lines"
    namespace: dict[str, object] = {}
    for block in python:
        exec(block, namespace)
    printed = capsys.readouterr().out
    assert "torch.Size([200, 3])" in printed
    state, readings = namespace["state"], namespace["readings"]
    lanes = {value.shape[0] for params in state.profile.values() for value in params.values()}
    assert lanes == {3}
    assert all(value.isfinite().all() for value in readings.values())
    assert len({float(loss) for loss in readings["loss_D"][-1]}) == 3
    assert all(value.grad is not None for value in list(namespace["D"].parameters())[::2])
    assert "0.5j" in printed.replace(" ", "")


def test_the_tree_is_the_folder():
    (tree,) = [block for block in blocks(README, "") if block.startswith("vral/\n")]
    folders = set(re.findall(r"[├└]── (\w+)/", tree))
    files = set(re.findall(r"(\w+\.py)\b", tree))
    package = ROOT / "vral"
    assert folders == {path.parent.name for path in package.glob("*/__init__.py")}
    assert files == {path.name for path in package.glob("*.py")} - {"__init__.py", "__main__.py"}


def test_the_experiments_are_those_of_the_package_with_their_claims():
    rows = re.findall(r"^\| ((?:`[\w0-9-]+`(?:, )?)+) \| (.*?) \| (.*?) \|$", text_of(README), re.M)
    listed = {name: row[2] for row in rows for name in re.findall(r"`([\w-]+)`", row[0])}
    families: dict[str, list[str]] = {}
    for claim in CLAIMS.values():
        family = claim.id.partition(".")[0]
        if family not in families.setdefault(claim.experiment, []):
            families[claim.experiment].append(family)
    assert set(listed) == {*families, *EXPERIMENTS}
    for name, claims in families.items():
        assert set(claims) <= set(listed[name].split(", ")), name


def test_every_row_of_where_a_change_goes_names_what_exists():
    section = text_of(README).partition("## Where a change goes")[2].partition("\n## ")[0]
    paths = re.findall(r"`((?:vral|tests)/[\w/.]*)`", section)
    assert len(paths) > 10
    for path in paths:
        assert (ROOT / path).exists(), path


def verdicts() -> dict[tuple[str, str], dict]:
    data = json.loads((ROOT / "runs/published/claims.json").read_text(encoding="utf-8"))
    return {(row["claim"], row["dataset"]): row for row in data["verdicts"]}


def test_what_the_front_page_says_in_words_is_the_ledgers():
    ledger = verdicts()
    said = "VRAL leaves the rotation of G and D undamped, and R1 beside it damps it"
    assert said in text_of(README)
    for name in ("T6.meta", "T6.parzen", "T6.parzen-forward"):
        assert ledger[name, "Dirac-GAN"]["verdict"] == "refuted"
    for name in ("T6.meta-r1", "T6.parzen-r1"):
        assert ledger[name, "Dirac-GAN"]["verdict"] == "confirmed"


def medians(study: str, metric: str) -> dict[str, float]:
    path = ROOT / f"runs/published/{study}/summary.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {row["method"]: float(row["median"]) for row in rows if row["metric"] == metric}


def test_the_pages_medians_are_those_of_the_published_studies():
    page = " ".join(text_of(ROOT / "runs/published/README.md").split())
    signal = medians("well-trained-digits", "median_signal_fake")
    others = [value for method, value in signal.items() if method != "standard"]
    assert f"Standard's signal ends at {signal['standard']:.2g}, those of the other" in page
    assert f"losses at {min(others):.1f} to {max(others):.0f} (C1)" in page
    distance, covered, share = (
        medians("well-trained-digits", name)["lsgan"]
        for name in ("frechet", "coverage", "variance_share")
    )
    assert f"distance is {distance:.0f}, its coverage {covered:.2f} and its share" in page
    assert f"of the data's variance {share:.2f}" in page


def test_the_front_page_s_numbers_are_of_kept_runs_whose_baselines_have_learned():
    content = yaml.safe_load(text_of(ROOT / "repro.yaml"))
    tables = {source["id"]: ROOT / source["path"] for source in content["artifacts"]}
    quoted = [path for name, path in tables.items() if name not in ("readme", "verdicts")]
    assert quoted
    judged = {
        (cell["where"]["claim"], cell["where"]["dataset"])
        for source in content["claims"]
        for cell in source["evidence"]
        if cell["artifact"] == "verdicts"
    }
    assert judged
    for claim, dataset in judged:
        assert verdicts()[claim, dataset]["standing"] == "in force"
        quoted.append(
            ROOT / "runs/published" / f"{CLAIMS[claim].experiment}-{dataset}" / "summary.csv"
        )
    for path in quoted:
        assert (path.parent / "study.json").is_file(), path
    gates = [row for (claim, _), row in verdicts().items() if claim.startswith("C0.")]
    assert {(row["dataset"], row["verdict"]) for row in gates} == {("mnist", "confirmed")}
    assert {path.parent.name for path in quoted} == {
        "deck-mnist",
        "usefulness-digits",
        "budget-digits",
    }
    reached, asked = medians("usefulness-digits", "coverage"), STAGES["good"].coverage
    assert all(value >= asked for arm, value in reached.items() if arm.endswith("good"))


def test_the_published_ledger_and_its_tables_are_as_of_now():
    """Standing, settings and answers follow the experiments as they are defined today."""
    folder = ROOT / "runs/published"
    data, text, answered = restated(folder)
    written = json.loads(text_of(folder / "claims.json"))
    assert json.loads(json.dumps(data)) == written, f"write it again: {RESTATE}"
    page = text_of(folder / "README.md")
    assert f"{BEGIN}\n\n{text}\n\n{END}" in page
    for text in (page, text_of(README)):
        assert f"{ANSWERS_BEGIN}\n\n{answered}\n\n{ANSWERS_END}" in text
    assert RESTATE in page


def test_no_verdict_of_an_earlier_definition_answers_a_question():
    answered = json.loads(text_of(ROOT / "runs/published/claims.json"))["answers"]
    redone = {
        json.loads(text_of(path))["experiment"]
        for path in (ROOT / "runs/published").glob("*/study.json")
    }
    for answer in answered:
        if answer["experiment"] in EARLIER.keys() - redone:
            assert answer["outcome"] == "not yet run", answer


def test_the_register_has_as_many_late_claims_as_the_pages_say():
    with (ROOT / "vral/claims/register.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    late = {row["id"] for row in rows if "after" in row["note"]}
    counts = f"t least {len(late)} of its {len({row['id'] for row in rows})} claims"
    page = text_of(ROOT / "runs/published/README.md")
    assert counts in text_of(README)
    assert counts.replace("its", "the") in page
    assert f"say so of {len(late)}:" in page


def test_the_line_that_draws_the_picture_draws_it(tmp_path, monkeypatch):
    page = text_of(ROOT / "runs/published/README.md")
    codes = re.findall(r'^python -c "(.*)"$', page, re.MULTILINE)
    (code,) = (text for text in codes if "'runs/published/front.png'" in text)
    monkeypatch.chdir(ROOT)
    exec(code.replace("runs/published/front.png", str(tmp_path / "front.png")))
    assert (tmp_path / "front.png").stat().st_size > 50_000


# ---- every page ---------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_and_picture_leads_to_a_file(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        if not target.startswith(("http", "#")):
            assert (page.parent / target.partition("#")[0]).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_withdrawn_studies_are_in_no_sentence(page):
    prose = LEDGER.sub("", text_of(page))
    paragraphs = [
        part for part in prose.split("\n\n") if any(name in part for name in STUDIES_WITHDRAWN)
    ]
    if page == ROOT / "vral/CHANGELOG.md":
        paragraphs = [part for part in paragraphs if "The studies `ratios-mnist`" not in part]
    if page == ROOT / "runs/published/fidelity.md":  # A table of settings; it says so above.
        paragraphs = [part for part in paragraphs if not part.startswith("| setting |")]
    for paragraph in paragraphs:
        assert paragraph.startswith("**Withdrawn:**"), paragraph


def parsed(arguments: list[str]) -> click.Context:
    """The context of the innermost command, after its own parser has read the arguments."""
    context = main.make_context("vral", arguments, resilient_parsing=False)
    while isinstance(context.command, click.Group):
        group = context.command
        name, command, rest = group.resolve_command(
            context, [*context._protected_args, *context.args]
        )
        if hasattr(group, "load") and not isinstance(command, click.Group):
            command = group.load(name)
        context = command.make_context(name, rest, parent=context)
    return context


@pytest.mark.parametrize(("page", "command"), COMMANDS, ids=lambda part: str(part)[-60:])
def test_every_command_parses(page, command, tmp_path, monkeypatch):
    study = tmp_path / "ratios"
    study.mkdir()
    words = re.sub(r"\b(RUN|STUDY)\b|runs/(published/)?[\w<>*-]+(?!\S)", str(study), command)
    arguments = shlex.split(words)[1:]
    new = ("exponential", "--drift", "hinge-r1", "heun", "moons")  # of the recipes, added elsewhere
    if any(word in command for word in new):
        pytest.skip("a recipe's command: tests/test_recipes.py runs it")
    monkeypatch.chdir(ROOT)
    context = parsed(arguments)
    if context.info_name == "train":
        resolve(context.params["method"], given(context.params))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_make_target_and_test_file_exists(page):
    makefile = text_of(ROOT / "Makefile")
    for target in re.findall(r"(?:^|`)make ([\w-]+)", text_of(page), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for path in re.findall(r"\btests/[\w/]+(?:\.py)?", LEDGER.sub("", text_of(page))):
        assert (ROOT / path).exists(), path
