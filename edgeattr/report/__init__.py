"""HTML pages that are written to a file: one base template, one style sheet."""

from edgeattr.report.page import jpeg_uri, render

__all__ = ["jpeg_uri", "render"]
