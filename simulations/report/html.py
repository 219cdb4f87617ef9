"""The report as one page that opens anywhere, without a network and without scripts."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from simulations.report.page import lay_out
from simulations.report.schema import check

_PAGES = Environment(
    loader=PackageLoader("simulations.report", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render_html(report: Mapping[str, Any]) -> str:
    """Draw a report as one self-contained page.

    The page asks no server for anything, and its content policy forbids it to: styles and
    drawings are inside it, it has no script, and every name that came from a data set or a
    setting is escaped.

    Raises:
        ReportFormatError: `report` is not in the format of report.json.
    """
    check(dict(report))
    return _PAGES.get_template("report.html.j2").render(page=lay_out(report))
