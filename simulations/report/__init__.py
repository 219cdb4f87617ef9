"""The cold-start lift report: what a run hands over, report.json and the page."""

from simulations.report.build import build_report, write_report, write_text
from simulations.report.errors import IncompleteRunError, ReportError, ReportFormatError
from simulations.report.html import render_html
from simulations.report.record import (
    ChannelsRecord,
    CostRecord,
    EpochRecord,
    PrivacyRecord,
    RunRecord,
    SplitRecord,
)
from simulations.report.schema import SCHEMA, check, read_report

__all__ = [
    "SCHEMA",
    "ChannelsRecord",
    "CostRecord",
    "EpochRecord",
    "IncompleteRunError",
    "PrivacyRecord",
    "ReportError",
    "ReportFormatError",
    "RunRecord",
    "SplitRecord",
    "build_report",
    "check",
    "read_report",
    "render_html",
    "write_report",
    "write_text",
]
