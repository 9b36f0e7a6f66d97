"""Explanations of answers, as pictures and files: where a model looked in a crop."""

from edgeattr.explain.explanation_files import ExplanationFiles, png_from_image
from edgeattr.explain.explanation_image import draw_explanation
from edgeattr.explain.heatmap import TICKS, colour_bar, overlay

__all__ = [
    "TICKS",
    "ExplanationFiles",
    "colour_bar",
    "draw_explanation",
    "overlay",
    "png_from_image",
]
