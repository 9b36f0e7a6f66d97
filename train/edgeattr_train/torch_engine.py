"""PyTorch: the reference that other engines are held to, and what runs a checkpoint as it is."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from edgeattr.core.bundle import Bundle, Golden
from edgeattr.core.bundle_format import Variant
from edgeattr.core.config import build
from edgeattr.core.errors import BundleError, RuntimeFailure, UsageError
from edgeattr.core.limits import available_cores
from edgeattr_runtimes.engine import Engine
from edgeattr_runtimes.protocol import ATTENTION, EngineOptions, checked_device, crops_shape
from edgeattr_runtimes.session import Array, Port, Session, Shapes, Slot, new_inputs
from edgeattr_train.checkpoint import load_checkpoint
from edgeattr_train.export import describe
from edgeattr_train.model import AttributeNet, ModelOptions, build_model
from edgeattr_train.start import set_batch_norms_from_data, take_bundle

_CPU_BATCH, _GPU_BATCH = 8, 32  # crops a run
_first_process: dict[str, int] = {}  # "pid": where PyTorch was first used


def devices() -> tuple[str, ...]:
    """Devices that can be asked for here, best first."""
    return ("cuda", "cpu") if torch.cuda.is_available() else ("cpu",)


class TorchEngine(Engine):
    """A network in PyTorch.

    Args:
        bundle: the model.
        variant: its ``onnx-fp32``: the network is built anew by the bundle's recipe and takes its
            weights from there.
        options: ``device`` is ``cpu`` or ``cuda``; the GPU where absent and there is one.
            ``threads`` are set for the whole process: PyTorch knows no other.
        network: what to run instead of the variant's.

    Raises:
        BundleError: the bundle has no recipe, or its network is not the recipe's.
        UsageError: no such device, or the model has no attention masks.
        RuntimeFailure: this process was forked from one that had used PyTorch.
    """

    def __init__(
        self,
        bundle: Bundle,
        variant: Variant,
        options: EngineOptions,
        network: AttributeNet | None = None,
    ) -> None:
        _check_process()
        here = devices()
        device = checked_device("torch", options.device or here[0], here)
        threads = options.threads or min(torch.get_num_threads(), available_cores())
        torch.set_num_threads(threads)
        network = (network or _network(bundle)).eval().to(device)
        if options.attention and not network.branches:
            raise UsageError(f"{bundle.name} has no attention masks")
        batch = options.batch or (_CPU_BATCH if device == "cpu" else _GPU_BATCH)
        names = network.output_names()
        if not options.attention:
            names = [name for name in names if not name.startswith(ATTENTION)]
        session = _TorchSession(network, device, names)
        super().__init__(
            bundle,
            variant,
            session.fixed({"crops": crops_shape(bundle, batch)}),
            options.streams or 1,
            version=str(torch.__version__),
            device=device.upper(),
            threads=threads,
        )


class _TorchSession(Session):
    """A network in PyTorch.

    Args:
        network: in eval mode, on the device.
        device: ``cpu`` or ``cuda``.
        names: the first of the network's outputs, as many as are wanted.
    """

    engine = "torch"
    inputs = (Port(names=frozenset(["crops"]), shape=(None, None, None, 3), dtype="uint8"),)

    def __init__(self, network: AttributeNet, device: str, names: Sequence[str]) -> None:
        super().__init__()
        self._network, self._device, self._names = network, device, names
        self.outputs = tuple(
            Port(names=frozenset([name]), shape=(None,), dtype="float32") for name in names
        )
        self._shapes: Shapes = {}

    def fixed(self, shapes: Shapes, outputs: Sequence[str] | None = None) -> _TorchSession:
        """See :meth:`Session.fixed`."""
        made = _TorchSession(self._network, self._device, self._names)
        made._shapes = shapes
        return made

    def slot(self) -> Slot:
        """See :meth:`Session.slot`."""
        return _Slot(self, new_inputs(self.inputs, self._shapes))

    @torch.inference_mode()
    def scored(self, crops: npt.NDArray[np.uint8]) -> list[Array]:
        """The outputs for crops."""
        try:
            with torch.backends.cudnn.flags(allow_tf32=False):  # on GPUs it is on by default
                found = self._network(torch.from_numpy(crops).to(self._device))
            tensors = found.exported()[: len(self._names)]
            return [tensor.float().cpu().numpy() for tensor in tensors]
        except RuntimeError as error:
            raise RuntimeFailure(f"PyTorch failed on {len(crops)} crops: {error}") from error


class _Slot:
    """The network, which others may use at the same time, and memory for one batch."""

    def __init__(self, session: _TorchSession, inputs: dict[str, Array]) -> None:
        self.inputs: Mapping[str, Array] = inputs
        self._session = session

    def run(self, count: int | None = None) -> list[Array]:
        return self._session.scored(self.inputs["crops"][:count])

    def close(self) -> None:
        """Nothing is this slot's alone."""


def open_checkpoint(path: Path, options: EngineOptions) -> tuple[Bundle, TorchEngine]:
    """A checkpoint that was not converted: its description, and the engine that runs it.

    Raises:
        InputError: missing, truncated, or not a checkpoint of edgeattr.
    """
    checkpoint = load_checkpoint(path)
    size = checkpoint.recipe.height, checkpoint.recipe.width
    golden = Golden(
        np.empty((0, *size, 3), np.uint8), np.empty((0, len(checkpoint.schema)), np.float32)
    )
    bundle = describe(checkpoint, path.stem, golden, {})
    variant = Variant(
        engine="torch", precision="fp32", file=path.name, sha256="", parent="", parity=0.0,
        tolerance=0.0,
    )  # fmt: skip
    return bundle, TorchEngine(bundle, variant, options, checkpoint.model)


def _network(bundle: Bundle) -> AttributeNet:
    """The bundle's network, built by its recipe, with the weights of its float32 variant."""
    facts = bundle.training.get("recipe")
    if not isinstance(facts, dict) or bundle.path is None:
        raise BundleError(f"{bundle.path or bundle.name} names no recipe to build its network by")
    built = build(ModelOptions, facts.get("model", {}), what="recipe")
    options = dataclasses.replace(built, weights="none", start="")
    size = bundle.input.height, bundle.input.width
    network = build_model(len(bundle.schema), options, size)
    take_bundle(network, str(bundle.path))
    set_batch_norms_from_data(network, torch.from_numpy(bundle.golden.crops))
    return network


def _check_process() -> None:
    """Refuse what would wait for ever: PyTorch's threads do not come along into a fork."""
    first = _first_process.setdefault("pid", os.getpid())
    if first != os.getpid():
        raise RuntimeFailure(
            "PyTorch was used in the process that this one was forked from and cannot run here; "
            'start processes with multiprocessing.get_context("spawn")'
        )
