"""Where results go: files, a window, a broker, a web server, a store; metrics and an audit log.

Every event sink says in ``promise`` what it keeps, and when.
"""

from edgeattr.outputs.audit_log import AuditLog
from edgeattr.outputs.failsafe_sink import Guarded
from edgeattr.outputs.jsonl import EventsFile
from edgeattr.outputs.metrics_server import MetricsServer
from edgeattr.outputs.mqtt import MqttSink
from edgeattr.outputs.segmented_video import LateVideoFile
from edgeattr.outputs.sink import Delivery, EventSink, SinkStatus
from edgeattr.outputs.spool import Spool, spool_path
from edgeattr.outputs.store_writer import StoreSink
from edgeattr.outputs.video_file import VideoFile, check_video_name
from edgeattr.outputs.webhook import WebhookSink
from edgeattr.outputs.window import Window
from edgeattr.outputs.window_manager import Windows

__all__ = [
    "AuditLog",
    "Delivery",
    "EventSink",
    "EventsFile",
    "Guarded",
    "LateVideoFile",
    "MetricsServer",
    "MqttSink",
    "SinkStatus",
    "Spool",
    "StoreSink",
    "VideoFile",
    "WebhookSink",
    "Window",
    "Windows",
    "check_video_name",
    "spool_path",
]
