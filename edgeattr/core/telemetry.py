"""Switch off what the libraries that we load report to their makers; imports none of them."""

from __future__ import annotations

import os
import sys

_SWITCHES = (  # names of one library's switch, and the value that turns its reports off
    (("ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED"), "1"),  # ONNX Runtime from 1.29 on
    (("RAY_USAGE_STATS_ENABLED",), "0"),
)
_OPENVINO_CHOICE = "~/intel/openvino_telemetry"  # OpenVINO's opt_in_out writes 1 or 0 into it


def disable_telemetry() -> None:
    """Switch telemetry off in this process and in those that it starts.

    ONNX Runtime and Ray read the environment. OpenVINO and NNCF send by a package of their own
    unless the user has declined, and do without it where it cannot be imported: an entry of None
    in ``sys.modules`` makes its import fail. What the user has set (a variable, OpenVINO's
    recorded choice) is left as it is. What was imported before edgeattr may have reported already.
    """
    for names, off in _SWITCHES:
        chosen = next((os.environ[name] for name in names if name in os.environ), off)
        for name in names:
            os.environ.setdefault(name, chosen)
    if not os.path.exists(os.path.expanduser(_OPENVINO_CHOICE)):  # noqa: PTH110, PTH111 - no home
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
