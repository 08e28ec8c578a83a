"""Notebooks run from their sources, and the executed copies are of those sources."""

from pathlib import Path

import jupytext
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parent.parent / "notebooks"
SOURCES = sorted(FOLDER.glob("*.py"))

SMALL = {
    "dirac": {
        "STEP, ROUNDS = 0.2, 200": "STEP, ROUNDS = 0.2, 40",
        "(1.0, 2.0), 31, 600": "(1.0, 2.0), 9, 60",
        "(1, 2, 4, 8, 12, 16, 18, 20, 22, 24, 32, 48)": "(1, 2, 24)",
        "np.linspace(0, 3, 61)": "np.linspace(0, 3, 7)",
    },
    "gradient_norms": {'"seeds": "0-2", "rounds": 80': '"seeds": "0-1", "rounds": 30'},
}
"""What a notebook computes with here, in place of the settings of its executed copy."""


def cells(notebook):
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_the_executed_copy_is_of_this_source(source):
    executed = jupytext.read(source.with_suffix(".ipynb"))
    assert cells(executed) == cells(jupytext.read(source))
    for cell in executed.cells:
        if cell.cell_type == "code":
            assert cell.execution_count
            assert not [out for out in cell.outputs if out.output_type == "error"]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_the_notebook_opens_with_the_public_names_and_holds_no_logic(source):
    code = "\n".join(text for kind, text in cells(jupytext.read(source)) if kind == "code")
    assert "import vral\n" in code
    assert "vral." in code
    assert "def " not in code
    assert "class " not in code


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_the_notebook_runs_and_draws(source, tmp_path):
    notebook = jupytext.read(source)
    for old, new in SMALL[source.stem].items():
        assert sum(old in cell.source for cell in notebook.cells) == 1, old
        for cell in notebook.cells:
            cell.source = cell.source.replace(old, new)
    client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    assert any("image/png" in out.get("data", {}) for out in outputs)
