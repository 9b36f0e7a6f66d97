"""Who is in a frame: detectors of several families behind one small Protocol."""

from edgeattr.video.detectors.bundle_detector import BundleDetector
from edgeattr.video.detectors.formats import FORMATS
from edgeattr.video.detectors.network_detector import NetworkDetector
from edgeattr.video.detectors.open import open_detector, parse_size, parse_tiles
from edgeattr.video.detectors.protocol import Detections, Detector
from edgeattr.video.detectors.tiles import TiledDetector

__all__ = [
    "FORMATS",
    "BundleDetector",
    "Detections",
    "Detector",
    "NetworkDetector",
    "TiledDetector",
    "open_detector",
    "parse_size",
    "parse_tiles",
]
