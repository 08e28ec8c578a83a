"""Finished studies as one self-contained HTML page, and their figures as one PDF."""

from typing import TYPE_CHECKING

from vral import lazy

if TYPE_CHECKING:
    from vral.report.contents import Study as Study
    from vral.report.contents import read_study as read_study
    from vral.report.page import render as render
    from vral.report.page import write_page as write_page

__getattr__, __dir__, __all__ = lazy.exports(
    __name__,
    {
        "vral.report.contents": ["Study", "read_study"],
        "vral.report.page": ["render", "write_page"],
    },
)
