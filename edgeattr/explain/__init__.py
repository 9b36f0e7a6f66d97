"""Evidence for answers, as pictures and files: where a model looked in a crop."""

from edgeattr.explain.explanation_files import EvidenceFiles, png_of
from edgeattr.explain.explanation_image import draw_sheet
from edgeattr.explain.heatmap import TICKS, colour_bar, overlay

__all__ = ["TICKS", "EvidenceFiles", "colour_bar", "draw_sheet", "overlay", "png_of"]
