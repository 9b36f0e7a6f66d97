"""Where results go: files, a window, a broker, a web server, a store; metrics and an audit log.

Every event sink says in ``promise`` what it keeps, and when.
"""

from edgeattr.video.sinks.audit import AuditLog
from edgeattr.video.sinks.events_file import EventsFile
from edgeattr.video.sinks.guarded import Guarded
from edgeattr.video.sinks.late_video import LateVideoFile
from edgeattr.video.sinks.metrics import MetricsServer
from edgeattr.video.sinks.mqtt import MqttSink
from edgeattr.video.sinks.sink import Delivery, EventSink, SinkStatus
from edgeattr.video.sinks.spool import Spool, spool_path
from edgeattr.video.sinks.store_sink import StoreSink
from edgeattr.video.sinks.video_file import VideoFile, check_video_name
from edgeattr.video.sinks.webhook import WebhookSink
from edgeattr.video.sinks.window import Window
from edgeattr.video.sinks.windows import Windows

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
