"""Public names that are loaded on first use (PEP 562), so that importing a package stays quick."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def exports(
    package: str, homes: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """``__getattr__``, ``__dir__`` and ``__all__`` of ``package``.

    ``homes`` maps a module to the names that it defines. A name is looked up in its module, never
    as an attribute of a package, so that ``vral.spectrum`` is the function whatever has been
    imported before, and ``vral.diagnostics.spectrum`` stays the module.
    """
    module_of = {name: module for module, names in homes.items() for name in names}

    def get(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(module_of[name]), name)

    def listed() -> list[str]:
        return sorted(module_of)

    return get, listed, sorted(module_of)
