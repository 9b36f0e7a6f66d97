"""Where results go: files, windows, a broker, a web server, a store; metrics and an audit log.

Each is an :class:`edgeattr.video.output.Output` and says in ``promise`` what it keeps, and when.
"""

from edgeattr.outputs.audit_log import AuditLog
from edgeattr.outputs.explanation_writer import ExplanationWriter
from edgeattr.outputs.jsonl import EventsFile
from edgeattr.outputs.metrics_server import MetricsServer
from edgeattr.outputs.mqtt import MqttOptions, MqttOutput
from edgeattr.outputs.segmented_video import SegmentedVideo
from edgeattr.outputs.spool import Spool, spool_path
from edgeattr.outputs.store_writer import StoreWriter
from edgeattr.outputs.thumbnails import ThumbnailWriter
from edgeattr.outputs.tracks_file import TracksFile
from edgeattr.outputs.video_file import VideoFile, check_video_name
from edgeattr.outputs.webhook import WebhookOptions, WebhookOutput
from edgeattr.outputs.window import Windows

__all__ = [
    "AuditLog",
    "EventsFile",
    "ExplanationWriter",
    "MetricsServer",
    "MqttOptions",
    "MqttOutput",
    "SegmentedVideo",
    "Spool",
    "StoreWriter",
    "ThumbnailWriter",
    "TracksFile",
    "VideoFile",
    "WebhookOptions",
    "WebhookOutput",
    "Windows",
    "check_video_name",
    "spool_path",
]
