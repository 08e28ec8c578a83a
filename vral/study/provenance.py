"""Which code and which thresholds a run was made with, so that their order can be proved later.

A verdict counts as registered before its run only if the commit that brought its threshold is an
ancestor of the run's commit. So a run notes the commit and a digest of the register.
"""

import hashlib
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from vral.study.folders import read_json, write_json

PROVENANCE = "provenance.json"
"""Name of the file in which a study that has no runs notes its starts."""

PACKAGE = Path(__file__).parents[1]

REGISTER = PACKAGE / "claims" / "register.csv"
"""A resource of a layer above, which is read here but not imported."""


@cache
def provenance() -> Mapping[str, Any]:
    """The commit of this code, whether its files differ from it, and the register's digest.

    "commit" and "changed" are None where the package does not lie in a git checkout of its own or
    git is absent; "register" is a BLAKE2b digest of 16 bytes.
    """
    commit = _git("rev-parse", "HEAD") if _git("ls-files", "--", Path(__file__).name) else None
    return {
        "commit": commit,
        "changed": commit and bool(_git("status", "--porcelain", "--", str(PACKAGE))),
        "register": hashlib.blake2b(REGISTER.read_bytes(), digest_size=16).hexdigest(),
    }


def _git(*arguments: str) -> str | None:
    """What git prints when asked from this folder; None where it fails."""
    try:
        ended = subprocess.run(
            ["git", *arguments],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return ended.stdout.strip() if ended.returncode == 0 else None


UNNOTED: Mapping[str, Any] = {"commit": None, "changed": None, "register": None}
"""Stands for starts that a version made which noted none: their order cannot be proved."""


def with_this(earlier: Sequence[Mapping[str, Any]] | None) -> list[Mapping[str, Any]]:
    """The provenances of a run's ``earlier`` starts, and that of this one where it is new.

    None for ``earlier`` says that there were some and that none was noted.
    """
    here, noted = provenance(), [UNNOTED] if earlier is None else earlier
    return [*noted, *([] if here in noted else [here])]


def note_provenance(root: Path, begun: bool) -> None:
    """Add this start to provenance.json, for a study that has no runs with a run.json each.

    ``begun`` says whether the folder holds numbers of earlier starts. Raises FolderError where the
    file is corrupt.
    """
    path, earlier = root / PROVENANCE, None if begun else []
    if path.exists():
        earlier = read_json(path, {"provenance": list})["provenance"]
    write_json(path, {"provenance": with_this(earlier)})
