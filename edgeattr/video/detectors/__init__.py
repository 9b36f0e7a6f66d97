"""Who is in a frame: detectors of several families behind one small Protocol."""

from edgeattr.video.detectors.bundle_detector import BundleDetector
from edgeattr.video.detectors.detr import DetrDetector, DetrLogitsDetector
from edgeattr.video.detectors.motion import MotionDetector
from edgeattr.video.detectors.open import open_detector
from edgeattr.video.detectors.protocol import Detections, Detector
from edgeattr.video.detectors.ssd import SsdDetector
from edgeattr.video.detectors.yolox import YoloxDetector

__all__ = [
    "BundleDetector",
    "Detections",
    "Detector",
    "DetrDetector",
    "DetrLogitsDetector",
    "MotionDetector",
    "SsdDetector",
    "YoloxDetector",
    "open_detector",
]
