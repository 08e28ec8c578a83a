"""What messages say."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import vral


def texts(source: Path) -> Iterator[str]:
    """Every text of a module that is no docstring: what it can print."""
    nodes = list(ast.walk(ast.parse(source.read_text(encoding="utf-8"))))
    silent = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in silent
        ):
            yield node.value


def test_no_message_advises_to_delete_what_may_be_good():
    sources = sorted(Path(vral.__file__).parent.rglob("*.py"))
    assert len(sources) > 100
    advice = [
        f"{source.name}: {text}"
        for source in sources
        for text in texts(source)
        if re.search(r"\b(delete|erase|remove|rm)\b", text)
    ]
    assert advice == []
