"""The public names: loaded on first use, the same whatever was imported before, documented."""

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import vral

ROOT = Path(vral.__file__).parent

TABLES = {"EXPERIMENTS", "METHODS", "OBJECTIVES", "PENALTIES", "RULES", "TRANSFORMS"}
"""Dictionaries: documented by a comment string below them, or by their module."""

ALIASES = {"Game"}
"""Types that are another name of a standard type."""

LABORATORY = {
    *("RunConfig", "Scored", "Still", "TrainState"),
    *("conform", "draw_stream", "execute", "make_step", "read", "resolve"),
}
"""This package's own machinery, which has no source outside it."""

SOURCE = re.compile(r"(?:\b(?:19|20)\d\d\b|Source:)")
SHAPE = re.compile(r"\([^()\n]*\b(?:batch|lanes?|n|m|size|samples|updates|scalar)\b[^()\n]*\)|\(\)")
TENSORS = re.compile(r"Tensor|Samples|Scores|Scalar|Points|Latents|NDArray|ndarray|Profile|Params")


def functions() -> list[str]:
    return [name for name in vral.__all__ if inspect.isfunction(getattr(vral, name))]


def classes() -> list[str]:
    return [name for name in vral.__all__ if inspect.isclass(getattr(vral, name))]


def test_every_public_name_is_a_function_a_class_a_table_or_an_alias():
    assert {*functions(), *classes(), *TABLES, *ALIASES} == set(vral.__all__)
    assert set(vral.__all__) >= LABORATORY


@pytest.mark.parametrize("name", [*functions(), *classes()])
def test_a_docstring_is_a_sentence(name):
    text = inspect.getdoc(getattr(vral, name)) or ""
    assert not text.startswith(f"{name}("), "written by dataclass, not by us"
    assert len(text) > 40
    assert text.rstrip().endswith((".", "::", "``"))
    assert not re.match(r"(Of|By|Beside|Without|In) ", text), "no fragment"


@pytest.mark.parametrize("name", [n for n in [*functions(), *classes()] if n not in LABORATORY])
def test_what_comes_from_the_literature_says_where_from(name):
    assert SOURCE.search(inspect.getdoc(getattr(vral, name)) or "")


@pytest.mark.parametrize("name", functions())
def test_a_function_of_tensors_gives_their_shapes(name):
    function = getattr(vral, name)
    signature = str(inspect.signature(function, eval_str=False))
    if name in LABORATORY or not TENSORS.search(signature):
        pytest.skip("no tensors in its signature")
    assert SHAPE.search(inspect.getdoc(function) or ""), signature


def raised(function: object) -> set[str]:
    """The errors that a function's own lines, or its helpers in the same module, raise."""
    module = sys.modules[function.__module__]
    tree = ast.parse(inspect.getsource(module))
    bodies = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    names, waiting, seen = set(), [function.__name__], set()
    while waiting:
        body = bodies.get(waiting.pop())
        if body is None or body.name in seen:
            continue
        seen.add(body.name)
        for node in ast.walk(body):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                name = ast.unparse(node.exc.func)
                made = getattr(module, name, None)  # by a function that returns the error
                names.add(
                    made.__annotations__["return"].__name__ if inspect.isfunction(made) else name
                )
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                waiting.append(node.func.id)
    return names - {"AssertionError"}


@pytest.mark.parametrize("name", functions())
def test_a_function_names_the_errors_it_raises(name):
    function = inspect.unwrap(getattr(vral, name))
    text = inspect.getdoc(function) or ""
    module = inspect.getsource(sys.modules[function.__module__])
    caught = re.findall(r"except \(?([\w, ]+?)\)?(?: as |:)", module)
    for error in raised(function) - set(", ".join(caught).split(", ")):
        assert re.search(rf"Raises?\b.*\b{error.rpartition('.')[2]}\b", text, re.DOTALL), error


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_table_is_a_dictionary_that_fits_a_screen(name):
    table = getattr(vral, name)
    assert isinstance(table, dict)
    assert 3 < len(table) < 30
    assert all(isinstance(key, str) for key in table)


def test_type_checkers_see_the_names_that_are_loaded():
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        (alias.name, alias.asname, node.module)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert {asname for _, asname, _ in seen} == set(vral.__all__)
    for name, asname, module in seen:
        assert name == asname
        assert getattr(importlib.import_module(module), name) is getattr(vral, name)


def test_types_ship_with_the_package():
    assert (ROOT / "py.typed").is_file()


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'vral' has no attribute 'nonsense'"):
        vral.nonsense  # noqa: B018
    assert not hasattr(vral, "nonsense")
    assert sorted(vral.__all__) == dir(vral)


LAZY = """
import sys
import vral
heavy = ("torch", "numpy", "click", "matplotlib", "pydantic", "polars")
assert not [name for name in heavy if name in sys.modules], sorted(sys.modules)
assert "r1" in dir(vral)
vral.r1, vral.field, vral.play, vral.make_gan, vral.FirstOrder
late = [name for name in ("click", "matplotlib", "pydantic", "bokeh") if name in sys.modules]
assert not late, late
"""


def test_importing_vral_imports_neither_torch_nor_numpy():
    done = subprocess.run([sys.executable, "-c", LAZY], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def modules() -> list[str]:
    return [module.name for module in pkgutil.walk_packages(vral.__path__, "vral.")]


def test_a_name_is_the_same_whatever_was_imported_before():
    before = {name: getattr(vral, name) for name in vral.__all__}
    for module in modules():
        if not module.endswith(("__main__", ".peers")):
            importlib.import_module(module)
    assert all(getattr(vral, name) is value for name, value in before.items())
    folders = {module.split(".")[1] for module in modules()}
    assert not folders & set(vral.__all__), "a module would hide a public name"
    for clash in (
        "games.dirac",
        "games.quadratic",
        "diagnostics.spectrum",
        "diagnostics.gamma_sweep",
    ):
        assert inspect.ismodule(importlib.import_module(f"vral.{clash}"))
        parent, _, name = clash.partition(".")
        assert inspect.ismodule(getattr(importlib.import_module(f"vral.{parent}"), name))
        assert inspect.isfunction(getattr(vral, name))


PACKAGES = sorted({path.parent.name for path in ROOT.glob("*/__init__.py")} - {"cli"})
"""All but the command line, whose nouns are its commands, one file each."""


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_exports_its_nouns(package):
    module = importlib.import_module(f"vral.{package}")
    assert len(module.__doc__ or "") > 40
    assert module.__all__
    for name in module.__all__:
        assert getattr(module, name) is not None
    for name in {path.stem for path in (ROOT / package).glob("*.py")} & set(module.__all__):
        importlib.import_module(f"vral.{package}.{name}")
        assert not inspect.ismodule(getattr(module, name)), "a module hides a noun"
