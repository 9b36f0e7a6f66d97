"""Explanations of answers, as pages and files: where a model looked in a crop."""

from edgeattr.explain.explanation_files import ExplanationFiles
from edgeattr.explain.explanation_page import TICKS, colour_bar, explanation_page, overlay

__all__ = [
    "TICKS",
    "ExplanationFiles",
    "colour_bar",
    "explanation_page",
    "overlay",
]
