"""OpenVINO's own benchmark_app on a variant, set as our engine is."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from edgeattr.core.bundle import Bundle, Variant
from edgeattr.core.errors import RuntimeFailure, UsageError
from edgeattr_runtimes.openvino_engine import read_network
from edgeattr_runtimes.protocol import RuntimeInfo, batch_size

__all__ = ["benchmark_app"]

_RATE = re.compile(r"Throughput:\s+([0-9.]+) FPS")


def benchmark_app(
    bundle: Bundle, variant: Variant, about: RuntimeInfo, count: int, seconds: float
) -> float:
    """Crops per second that benchmark_app reports, without filling inputs.

    Args:
        bundle: the model.
        variant: what OpenVINO runs of it.
        about: what our engine says of itself; a CPU's.
        count: crops a call; it is split into batches and streams as ours is.
        seconds: to measure.

    Raises:
        MissingDependency: OpenVINO is not installed.
        UsageError: not an OpenVINO engine on a CPU.
        RuntimeFailure: benchmark_app is not there, or failed.
    """
    if about.engine != "openvino" or about.device != "CPU":
        raise UsageError("--against benchmark_app goes with --runtime openvino on a CPU")
    program = shutil.which("benchmark_app", path=str(Path(sys.executable).parent))
    if program is None:
        raise RuntimeFailure("benchmark_app is not beside this Python; it comes with openvino")
    import openvino

    streams = 1 if count == 1 else about.streams
    size = batch_size(count, about.batch, streams)
    shape = [size, bundle.input.height, bundle.input.width, 3]
    with tempfile.TemporaryDirectory() as folder:
        xml = Path(folder) / "model.xml"
        openvino.save_model(read_network(bundle.read_file(variant)), xml, compress_to_fp16=False)
        command = [
            program, "-m", str(xml), "-d", "CPU", "-hint", "none",
            "-infer_precision", about.arithmetic, "-shape", str(shape), "-layout", "[NHWC]",
            "-t", str(max(1, round(seconds))),
            "-nstreams", str(streams), "-nthreads", str(about.threads), "-nireq", str(streams),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    found = _RATE.search(done.stdout)
    if found is None:
        raise RuntimeFailure(f"benchmark_app failed: {(done.stderr or done.stdout)[-500:]}")
    return float(found[1])
