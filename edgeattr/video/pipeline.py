"""Many streams, one model: frames in, one record per person out."""

from __future__ import annotations

import atexit
import concurrent.futures
import contextlib
import logging
import threading
import time
import weakref
from collections.abc import Sequence

from edgeattr.core.closeable import Closeable
from edgeattr.core.errors import OutputError, RuntimeFailure, UsageError
from edgeattr.core.label_ranking import LabelRanking
from edgeattr.core.limits import available_cores
from edgeattr.model import AttributeModel
from edgeattr.video.alerts import AlertMonitor, AlertRule
from edgeattr.video.batcher import Batcher
from edgeattr.video.detectors import Detector
from edgeattr.video.options import PipelineOptions
from edgeattr.video.output import FailsafeOutput, Output, OutputStatus
from edgeattr.video.sources import Source, SourceSpec, open_source
from edgeattr.video.status import StreamStatus, Summary
from edgeattr.video.stream import Stream, StreamContext
from edgeattr.video.zone_monitor import ZoneMonitor
from edgeattr.video.zones import Line, Zone

_STOP_SECONDS = 8.0  # that stopping waits at most; streams end in tenths of a second
_SOURCE_SECONDS = 1.0  # that closing waits for sources, which may hang in a camera's driver
_DEFAULTS = PipelineOptions()

_log = logging.getLogger("edgeattr.video")


class Pipeline(Closeable):
    """Runs streams until they end or are stopped. A context manager.

    Each stream has a thread that reads and one that follows its people; all share the detector,
    the workers it runs in, and the model, which takes the crops of all streams together. An output
    that fails costs its event, which is counted and named in the stream's summary.

    Args:
        model: reads attributes off crops. Not closed with the pipeline.
        detector: finds people. Not closed with the pipeline.
        outputs: take the results of all streams, and are closed with the pipeline; see
            :class:`edgeattr.video.output.Output`.
        options: how streams are processed.

    Raises:
        UsageError: a label that the model does not know is to be shown or hidden.

    Example:
        >>> with Pipeline(model, detector, outputs=[output]) as pipeline:
        ...     pipeline.add("rtsp://camera/1")
        ...     pipeline.wait()
    """

    def __init__(
        self,
        model: AttributeModel,
        detector: Detector,
        *,
        outputs: Sequence[Output] = (),
        options: PipelineOptions = _DEFAULTS,
    ) -> None:
        ranking = LabelRanking.of_bundle(model.bundle, options.labels)
        self.outputs = [FailsafeOutput(output) for output in outputs]
        self.unfinished: list[str] = []  # streams that did not end in time
        self._streams: dict[str, Stream] = {}
        self._lock = threading.Lock()
        self._closed = False
        _pipelines.add(self)
        self._batcher = Batcher(model)
        self._workers = concurrent.futures.ThreadPoolExecutor(
            options.workers or available_cores(), thread_name_prefix="detect"
        )
        self._context = StreamContext(
            model=model,
            ranking=ranking,
            batcher=self._batcher,
            detector=detector,
            workers=self._workers,
            outputs=self.outputs,
            options=options,
        )

    def add_output(self, output: Output) -> None:
        """Have one more output take results, of streams that are added from now on."""
        self.outputs.append(FailsafeOutput(output))

    def add(
        self,
        source: str | SourceSpec | Source,
        *,
        outputs: Sequence[Output] = (),
        zones: Sequence[Zone] = (),
        lines: Sequence[Line] = (),
        alerts: Sequence[AlertRule] = (),
        max_frames: int | None = None,
    ) -> str:
        """Begin to process a stream; may be called at any time.

        Args:
            source: see :func:`edgeattr.video.sources.open_source`.
            outputs: take this stream's annotated frames, and are closed with it.
            zones: where people are counted, and for how long they stay.
            lines: where crossings are counted.
            alerts: rules asked of each person; those of other streams are passed over.
            max_frames: stop after so many.

        Returns:
            The name of the stream.

        Raises:
            InputError: a file that is missing or cannot be decoded.
            UsageError: a stream of that name is there already.
            OutputError: an output does not take the stream.
            RuntimeFailure: the pipeline was closed.
        """
        opened = open_source(source) if isinstance(source, str | SourceSpec) else source
        with contextlib.ExitStack() as unless_added:
            unless_added.callback(opened.close)
            own = [FailsafeOutput(output) for output in outputs]
            for output in own:
                unless_added.callback(output.close)
            for output in (*self.outputs, *own):
                if error := output.begin(opened):
                    raise OutputError(error)
            stream = Stream(
                opened,
                self._context,
                own=own,
                zones=ZoneMonitor(zones, lines),
                alerts=AlertMonitor(opened.name, alerts),
                max_frames=max_frames,
            )
            with self._lock:
                self._check_name(opened.name)
                self._streams[opened.name] = stream
                stream.start()
            unless_added.pop_all()
        return opened.name

    def remove(self, *names: str) -> list[Summary]:
        """Stop streams and forget them; their people get their records.

        Raises:
            UsageError: there is no such stream; then none is removed.
        """
        with self._lock:
            for name in names:
                if name not in self._streams:
                    there = ", ".join(self._streams) or "none"
                    raise UsageError(f"no stream called {name!r}; there are: {there}")
            removed = [self._streams.pop(name) for name in names]
        for stream in removed:
            stream.stop()
        _wait(removed, _STOP_SECONDS)
        self._note_unfinished(removed)
        return [stream.summary for stream in removed]

    def status(self) -> list[StreamStatus]:
        """How the streams are doing, in the order in which they were added."""
        return [stream.status() for stream in self._all()]

    def summaries(self) -> list[Summary]:
        """What happened so far on each stream."""
        return [stream.summary for stream in self._all()]

    def output_statuses(self) -> list[OutputStatus]:
        """How the outputs of all streams are doing: those that promise something."""
        return [output.status() for output in self.outputs if output.promises]

    @property
    def lost(self) -> int:
        """Events and pictures that an output with a promise did not take."""
        return sum(output.failures for output in self.outputs if output.promises)

    @property
    def is_stuck(self) -> bool:
        """Whether any stream has frames and finishes none."""
        return any(stream.is_stuck for stream in self._all())

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for all streams to end.

        Args:
            timeout: seconds; None waits for ever.

        Returns:
            Whether all have ended.
        """
        end = None if timeout is None else time.monotonic() + timeout
        for stream in self._all():
            stream.join(None if end is None else max(0.0, end - time.monotonic()))
            if stream.is_alive():
                return False
        return True

    def stop(self) -> None:
        """Ask all streams to end soon; people who are there get their records."""
        for output in self.outputs:
            output.stop_waiting()
        for stream in self._all():
            stream.stop()

    def close(self) -> None:
        """Stop, wait for what is under way, and close the outputs. May be called twice.

        Streams that do not end in time, since a model or an encoder hangs, are named in
        :attr:`unfinished` and in the log.
        """
        with self._lock:
            self._closed = True
        self.stop()
        self.wait(_STOP_SECONDS)
        _wait(self._all(), _SOURCE_SECONDS)
        self._note_unfinished(self._all())
        self._workers.shutdown(wait=False, cancel_futures=True)
        self._batcher.close()
        with concurrent.futures.ThreadPoolExecutor(max(1, len(self.outputs))) as closing:
            list(closing.map(FailsafeOutput.close, self.outputs))  # each may take seconds

    def _check_name(self, name: str) -> None:
        if self._closed:
            raise RuntimeFailure("the pipeline was closed")
        if name in self._streams:
            raise UsageError(
                f"there are two streams called {name!r}; give one of them another name"
            )

    def _note_unfinished(self, streams: Sequence[Stream]) -> None:
        for stream in streams:
            if stream.is_alive() and stream.summary.stream not in self.unfinished:
                self.unfinished.append(stream.summary.stream)
                _log.error("%s did not end in time; its last results are lost", stream.name)

    def _all(self) -> list[Stream]:
        with self._lock:
            return list(self._streams.values())


def _wait(streams: Sequence[Stream], seconds: float) -> None:
    """For them and what reads their sources: OpenCV aborts programs that end while it is called."""
    end = time.monotonic() + seconds
    for stream in streams:
        stream.wait(max(0.0, end - time.monotonic()))


_pipelines: weakref.WeakSet[Pipeline] = weakref.WeakSet()


@atexit.register
def _end() -> None:
    """Stop the threads of pipelines that were not closed."""
    for pipeline in list(_pipelines):
        pipeline.stop()
        _wait(pipeline._all(), _SOURCE_SECONDS)
