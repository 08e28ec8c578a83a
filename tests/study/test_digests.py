"""Two rounds of some methods and rules, bit for bit what an earlier version computed.

``digests.json`` holds digests that version wrote (see the folder's README). A change that moves a
bit on purpose writes them anew, and says so in the changelog.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cases import AVX2, computes_as

from vral.study.machine import machine
from vral.study.run import HERE

FOLDER = Path(__file__).parent.parent / "data_earlier"
EARLIER = json.loads((FOLDER / "digests.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The digests of every case, computed here with the instructions of then."""
    if reason := computes_as(EARLIER["machine"], machine(HERE)):
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("runs")
    ended = subprocess.run(
        [sys.executable, FOLDER / "digests.py", folder],
        env=os.environ | AVX2 | {"VRAL_CACHE": str(folder / "cache")},
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(ended.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("case", EARLIER["digests"])
def test_a_run_is_bit_for_bit_that_of_the_version_before(case, found):
    assert found[case] == EARLIER["digests"][case]
