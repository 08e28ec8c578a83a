"""Every number that the front page prints names its source, and the source holds it."""

import csv
import json
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PUBLISHED = ROOT / "runs/published"
NUMBER = r"\d+\.\d+|\d+(?= \[)|(?<=\[)\d+(?=, )|(?<=, )\d+(?=\])"
"""What was measured: a decimal, a median before its interval, or an end of an interval."""


def sources() -> list[dict]:
    return yaml.safe_load((ROOT / "repro.yaml").read_text(encoding="utf-8"))["claims"]


def test_every_number_of_the_findings_stands_in_a_text_with_a_source():
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    found = page.partition("## What it found")[2].partition("\n## ")[0]
    rest = re.sub(
        "<!-- answers -->.*<!-- /answers -->", "", found, flags=re.DOTALL
    )  # The ledger's.
    assert len(re.findall(NUMBER, rest)) > 20
    for source in sources():
        rest = rest.replace(source["text"], "")
    assert not re.findall(NUMBER, rest), rest


@pytest.mark.parametrize("source", sources(), ids=lambda source: source["id"])
def test_a_text_prints_the_numbers_that_its_source_reports(source):
    quote, *numbers = source["evidence"]
    assert quote["kind"] == "quote"
    assert quote["text"] == source["text"]
    printed = re.findall(NUMBER, source["text"])
    assert [float(text) for text in printed] == [float(cell["reported"]) for cell in numbers]


def test_the_table_of_verdicts_is_that_of_the_ledger(tmp_path):
    ledger = json.loads((PUBLISHED / "claims.json").read_text(encoding="utf-8"))["verdicts"]
    page = (PUBLISHED / "README.md").read_text(encoding="utf-8")
    codes = re.findall(r'^python -c "(.*)"$', page, re.MULTILINE)
    (code,) = (text for text in codes if "'runs/published/verdicts.csv'" in text)
    here = code.replace("runs/published/verdicts.csv", str(tmp_path / "made.csv"))
    subprocess.run([sys.executable, "-c", here], cwd=ROOT, check=True)
    assert (tmp_path / "made.csv").read_bytes() == (PUBLISHED / "verdicts.csv").read_bytes()
    with (PUBLISHED / "verdicts.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [{k: "" if row[k] is None else str(row[k]) for k in rows[0]} for row in ledger] == rows


def test_one_command_finds_every_number_in_its_source():
    try:
        version("claims-cli")
    except PackageNotFoundError:
        pytest.skip("claims-cli is not installed: pip install -e '.[dev]'")
    command = [sys.executable, "-m", "claims", "verify"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"{sum(len(source['evidence']) for source in sources())} verified" in ended.stdout
