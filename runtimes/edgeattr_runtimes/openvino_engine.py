"""OpenVINO, on a CPU, GPU or NPU: runs ``openvino-*`` variants, and ``onnx-*`` ones as they are."""

from __future__ import annotations

import concurrent.futures
import contextlib
import copy
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgeattr.core.bundle import Bundle
from edgeattr.core.bundle_format import Variant
from edgeattr.core.errors import OutputError, RuntimeFailure
from edgeattr.core.limits import available_cores
from edgeattr_runtimes.compiled_cache import entry_path, read_entry, write_entry
from edgeattr_runtimes.engine import Engine
from edgeattr_runtimes.openvino_devices import (
    HINT,
    compile_options,
    devices,
    float_types,
    openvino_package,
)
from edgeattr_runtimes.protocol import (
    ATTENTION,
    EngineOptions,
    checked_device,
    crops_shape,
    output_names,
)
from edgeattr_runtimes.session import (
    Array,
    Operation,
    Port,
    Session,
    Shape,
    Shapes,
    Slot,
    new_inputs,
)
from edgeattr_runtimes.until_exit import native_call

_CPU_BATCH = 4  # crops a run: half as many again a second as one by one
_DEVICE_BATCH = 16
_DTYPES = {  # OpenVINO's names -> NumPy's
    "f32": "float32",
    "f16": "float16",
    "f64": "float64",
    "u8": "uint8",
    "i32": "int32",
    "i64": "int64",
}
_PASSED = ("Convert", "Reshape")  # operations that leave the values of an output alone
_FEWEST = 2 / 3  # of the rows: so many take as long one by one as all do together
IR_MEMBERS = ("model.xml", "model.bin")  # inside the file of an openvino-* variant


def read_network(content: bytes, *, attention: bool = False, name: str = "the model") -> Any:
    """The network in a variant's file, an ``openvino.Model`` whose first output is the logits.

    Args:
        content: a zip of an OpenVINO IR (``model.xml``, ``model.bin``), or an ONNX file.
        attention: whether outputs with attention masks stay; otherwise they are dropped, with
            what only they need.
        name: what the error calls it.

    Raises:
        MissingDependency: OpenVINO is not installed.
        RuntimeFailure: OpenVINO cannot be loaded, or cannot read it.
    """
    openvino = openvino_package()
    core = openvino.Core()
    try:
        if content[:2] == b"PK":
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                xml, weights = (archive.read(member) for member in IR_MEMBERS)
                tensor = openvino.Tensor(np.frombuffer(weights, np.uint8))
                model = core.read_model(xml, tensor)
        else:
            model = core.read_model(content)
        if not attention:
            for result in list(model.get_results()):
                if any(name.startswith(ATTENTION) for name in result.output(0).get_names()):
                    model.remove_result(result)
        return model
    except (RuntimeError, KeyError, zipfile.BadZipFile) as error:
        raise RuntimeFailure(f"OpenVINO cannot read {name}: {error}") from error


class OpenvinoSession(Session):
    """An OpenVINO IR or an ONNX file on OpenVINO. It is compiled for the shapes of :meth:`fixed`.

    Args:
        model: an IR's XML, with its weights beside it, or an ONNX file; what :func:`read_network`
            takes, or an ``openvino.Model``.
        threads: of all streams together; all cores where absent. CPUs only.
        streams: runs beside each other. CPUs only: others are told to aim at throughput.
        pinning: whether threads stay on their cores. CPUs only.
        device: one of :func:`devices`.
        precision: of the variant; see :func:`float_type`.
        half: see :func:`float_type`.
        kept: the SHA-256 of a file whose compiled networks are kept for the next start, which then
            takes a quarter of the time; empty: not kept. CPUs only.

    Raises:
        MissingDependency: OpenVINO is not installed.
        RuntimeFailure: OpenVINO cannot read it.
    """

    engine = "openvino"

    def __init__(
        self,
        model: bytes | Path | Any,
        *,
        threads: int | None = None,
        streams: int = 1,
        pinning: bool = True,
        device: str = "cpu",
        precision: str = "fp32",
        half: bool | None = None,
        kept: str = "",
    ) -> None:
        super().__init__()
        self._kept = kept if device == "cpu" else ""
        if isinstance(model, Path):
            model = _read_file(model)
        elif isinstance(model, bytes):
            model = read_network(model, attention=True)
        self._model: Any = model
        self._device = device
        self._options = (device, threads or available_cores(), streams, precision, half, pinning)
        self.inputs = tuple(_port(entry) for entry in self._model.inputs)
        self.outputs = tuple(_port(entry, _maker(entry)) for entry in self._model.outputs)
        self._shapes: Shapes = {}
        self._compiled: dict[int, Any] = {}  # by rows

    def fixed(self, shapes: Shapes, outputs: Sequence[str] | None = None) -> OpenvinoSession:
        """See :meth:`Session.fixed`.

        A fixed number of rows runs faster than a free one, so that the network is compiled for all
        of them and for one, concurrently; :meth:`_Slot.run` says how counts between are run.
        """
        made = copy.copy(self)
        Session.__init__(made)
        made.outputs, made._shapes = self.picked(outputs), shapes
        made._keep([self.outputs.index(port) for port in made.outputs])
        rows = len(next(iter(new_inputs(self.inputs, shapes).values())))
        counts = sorted({1, rows})
        with concurrent.futures.ThreadPoolExecutor() as compilers:
            made._compiled = dict(zip(counts, compilers.map(made._compile, counts), strict=True))
        made.arithmetic = next(iter(float_types(made.network(rows)).values()), "unknown")
        return made

    def _keep(self, wanted: list[int]) -> None:
        """Drop the other outputs, with what only they need."""
        self._model = self._model.clone()
        results = list(self._model.get_results())
        for index in set(range(len(results))) - set(wanted):
            self._model.remove_result(results[index])
        self._order = [sorted(wanted).index(index) for index in wanted]

    def network(self, rows: int) -> Any:
        """The compiled network for so many rows of every input: one, or all of :meth:`fixed`."""
        return self._compiled[rows]

    def slot(self) -> Slot:
        """See :meth:`Session.slot`."""
        return _Slot(self, new_inputs(self.inputs, self._shapes), self._order)

    def close(self) -> None:
        """See :meth:`Session.close`."""
        super().close()
        self._compiled = {}

    def _compile(self, rows: int) -> Any:
        target, options = compile_options(*self._options)
        memory = new_inputs(self.inputs, self._shapes)
        try:
            fixed = self._model.clone()
            fixed.reshape({name: [rows, *array.shape[1:]] for name, array in memory.items()})
            with native_call():
                compiled = self._compiled_or_kept(fixed, target, options)
        except RuntimeError as error:
            raise RuntimeFailure(
                f"OpenVINO cannot compile the model for {self._device.upper()}: {error}"
            ) from error
        asked = options.get("DEVICE_PROPERTIES") or {target: options}
        for name, used in float_types(compiled).items():
            wanted = asked.get(name.partition(".")[0], {}).get(HINT, used)
            if used != wanted:
                raise RuntimeFailure(
                    f"{name} computes in {used} where {wanted} was asked for; use another "
                    "--precision, or --device cpu"
                )
        return compiled

    def _compiled_or_kept(self, model: Any, target: str, options: dict[str, Any]) -> Any:
        """A network with all its shapes, compiled now or at an earlier start."""
        openvino = openvino_package()
        core = openvino.Core()
        if not self._kept:
            return core.compile_model(model, target, options)
        shapes = [str(port.get_partial_shape()) for port in model.inputs]
        outputs = [sorted(port.get_names()) for port in model.outputs]
        asked = {"variant": self._kept, "shapes": shapes, "outputs": outputs, "options": options}
        facts = asked | {
            "openvino": openvino.__version__,
            "device": core.get_property(target, "FULL_DEVICE_NAME"),
            "capabilities": sorted(core.get_property(target, "OPTIMIZATION_CAPABILITIES")),
        }
        path = entry_path("openvino.blob", asked)  # another OpenVINO's takes its place
        content = read_entry(path, facts)
        if content is not None:
            with contextlib.suppress(RuntimeError):
                return core.import_model(content, target, options)
        compiled = core.compile_model(model, target, options)
        with contextlib.suppress(OutputError, RuntimeError):  # it runs without being kept
            write_entry(path, compiled.export_model().getvalue(), facts)
        return compiled


class _Slot:
    """Memory for all rows, and a request for them and one for single rows."""

    def __init__(
        self, session: OpenvinoSession, inputs: dict[str, Array], order: list[int]
    ) -> None:
        self.inputs: Mapping[str, Array] = inputs
        self._session, self._order = session, order
        self._rows = len(next(iter(inputs.values())))
        self._places: dict[bool, _Place] = {}  # for single rows, and for all

    def run(self, count: int | None = None) -> list[Array]:
        """Run row by row if that is faster; else run all rows and return the first ``count``."""
        if count is None or count > _FEWEST * self._rows:
            return [found[:count] for found in self._place(single=False).run()]
        place, parts = self._place(single=True), []
        for row in range(count or 0):
            for own, array in zip(place.inputs, self.inputs.values(), strict=True):
                own[0] = array[row]
            parts.append([found.copy() for found in place.run()])
        return [np.concatenate(found) for found in zip(*parts, strict=True)]

    def close(self) -> None:
        self._places.clear()

    def _place(self, *, single: bool) -> _Place:
        if single not in self._places:
            inputs = list(self.inputs.values())
            if single:
                inputs = [np.empty_like(array[:1]) for array in inputs]
            network = self._session.network(1 if single else self._rows)
            self._places[single] = _Place(network, inputs, self._order)
        return self._places[single]


class _Place:
    """A request, and the memory that it reads and writes.

    The memory is told once. Telling it with every call costs more than moving crops there, above
    all for a single one that comes when the processor's caches hold something else.
    """

    def __init__(self, network: Any, inputs: list[Array], order: list[int]) -> None:
        openvino = openvino_package()
        self.inputs = inputs
        self._request = network.create_infer_request()
        for index, array in enumerate(inputs):
            self._request.set_input_tensor(index, openvino.Tensor(array, shared_memory=True))
        self._outputs: list[Array | None] = [None] * len(order)
        self._order = order
        for index, port in enumerate(network.outputs):
            if port.get_partial_shape().is_static:
                array = np.empty(port.shape, port.get_element_type().to_dtype())
                self._request.set_output_tensor(index, openvino.Tensor(array, shared_memory=True))
                self._outputs[index] = array

    def run(self) -> list[Array]:
        try:
            with native_call():
                self._request.infer(share_outputs=True)  # what it returns would be one more copy
        except RuntimeError as error:
            raise RuntimeFailure(f"OpenVINO failed: {error}") from error
        return [self._output(index) for index in self._order]

    def _output(self, index: int) -> Array:
        bound = self._outputs[index]
        if bound is not None:
            return bound
        found: Array = self._request.get_output_tensor(index).data
        return found


class OpenvinoEngine(Engine):
    """A variant loaded into OpenVINO.

    On a CPU, batches run in streams beside each other, one thread each. On other devices the
    driver overlaps them.

    Args:
        bundle: the model.
        variant: one of its ``openvino-*`` or ``onnx-*`` variants.
        options: ``device`` is one of :func:`devices`, ``cpu`` where absent.

    Raises:
        MissingDependency: OpenVINO is not installed.
        UsageError: no such device, or the variant has no attention masks.
        RuntimeFailure: OpenVINO cannot read or compile the file.
    """

    def __init__(self, bundle: Bundle, variant: Variant, options: EngineOptions) -> None:
        device = _device(options.device)
        threads = options.threads or available_cores()
        on_cpu = device == "cpu"
        streams = options.streams or (threads if on_cpu else 2)
        batch = options.batch or (_CPU_BATCH if on_cpu else _DEVICE_BATCH)
        content = bundle.read_file(variant)
        session = OpenvinoSession(
            content,
            threads=threads,
            streams=streams,
            device=device,
            precision=variant.precision,
            half=options.half,
            kept=variant.sha256 if variant.verdict else "",
        )
        found = [name for port in session.outputs for name in port.names]
        super().__init__(
            bundle,
            variant,
            session.fixed(
                {session.inputs[0].name: crops_shape(bundle, batch)},
                output_names(found, bundle, options.attention),
            ),
            streams,
            version=str(openvino_package().__version__).split("-")[0],
            device=device.upper(),
            threads=threads,
        )


def _read_file(path: Path) -> Any:
    try:
        return openvino_package().Core().read_model(str(path))
    except RuntimeError as error:
        raise RuntimeFailure(f"OpenVINO cannot open {path}: {error}") from error


def _port(entry: Any, made_by: Operation | None = None) -> Port:
    name = entry.get_element_type().get_type_name()
    return Port(
        names=frozenset(entry.get_names()),
        shape=_shape(entry),
        dtype=_DTYPES.get(name, name),
        made_by=made_by,
    )


def _shape(entry: Any) -> Shape:
    found = entry.get_partial_shape()
    if found.rank.is_dynamic:
        return ()
    return tuple(None if side.is_dynamic else side.get_length() for side in found)


def _maker(entry: Any) -> Operation:
    """The operation whose values an output has."""
    node = entry.get_node().input_value(0).get_node()
    while node.get_type_name() in _PASSED:
        node = node.input_value(0).get_node()
    return Operation(
        kind=node.get_type_name(),
        attributes=node.get_attributes(),
        inputs=tuple(map(_shape, node.inputs())),
    )


def _device(wanted: str | None) -> str:
    """The device that is meant, checked."""
    if wanted in (None, "cpu"):
        return "cpu"
    hint = ". Intel's GPUs and NPUs want their drivers"
    return checked_device("openvino", wanted, devices(), hint)
