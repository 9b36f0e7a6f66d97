"""Evidence for answers, as pictures and files: where a model looked in a crop."""

from edgeattr.evidence.files import EvidenceFiles, png_of
from edgeattr.evidence.overlay import TICKS, colour_bar, overlay
from edgeattr.evidence.sheet import draw_sheet

__all__ = ["TICKS", "EvidenceFiles", "colour_bar", "draw_sheet", "overlay", "png_of"]
