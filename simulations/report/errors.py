"""Errors of the report.

ReportError
├── IncompleteRunError    a run record lacks what every report needs
└── ReportFormatError     a report that does not follow the format of docs/report.md
"""


class ReportError(Exception):
    """Base of every error the report raises on purpose."""


class IncompleteRunError(ReportError):
    """A run record lacks a system or metric that every report needs."""


class ReportFormatError(ReportError):
    """A report does not follow the format; the message names the place."""
