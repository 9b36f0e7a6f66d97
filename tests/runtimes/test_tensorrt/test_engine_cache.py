"""An engine is built once for each device, and never taken from a file that is not right."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeattr.core.bundle import Bundle
from edgeattr.core.errors import OutputError, RuntimeFailure
from edgeattr.core.hub import home
from edgeattr_runtimes.compiled_cache import beside
from edgeattr_runtimes.cuda import Gpu
from edgeattr_runtimes.tensorrt_cache import engine_from_onnx, forget
from edgeattr_runtimes.tensorrt_plan import BuildOptions

pytestmark = pytest.mark.usefixtures("installed")


def _load(bundle: Bundle, precision: str = "int8", **options: Any) -> Any:
    gpu, variant = Gpu(), bundle.variants[f"tensorrt-{precision}"]
    rows = {"crops": (288, 160, 3)}
    with gpu.active():
        return engine_from_onnx(
            variant.name,
            variant.sha256,
            lambda: bundle.read_file(variant),
            gpu,
            precision,
            BuildOptions(rows=rows, outputs=("logits",), **options),
        )


def _builds(world: Any) -> int:
    return len(world.named("Builder.build_serialized_network"))


def _engine() -> Path:
    (path,) = (home() / "engines").glob("*.engine")
    return path


def test_second_load_does_not_build(bundle: Bundle, world: Any) -> None:
    _load(bundle)
    (bundle.path / bundle.variants["tensorrt-int8"].file).unlink()  # nor reads the ONNX file
    _load(bundle)
    assert _builds(world) == 1
    assert {path.suffix for path in (home() / "engines").glob("tensorrt-int8-*")} == {
        ".engine", ".json", ".log", ".lock",
    }  # fmt: skip


def test_the_description_names_all_facts(bundle: Bundle) -> None:
    _load(bundle)
    found = json.loads(beside(_engine(), ".json").read_text())
    assert found["facts"] == {
        "variant": bundle.variants["tensorrt-int8"].sha256,
        "precision": "int8",
        "gpu": "Make-Believe Orin",
        "compute_capability": "8.7",
        "driver": 12020,
        "tensorrt": "10.9.9",
        "options": {
            "rows": {"crops": [288, 160, 3]}, "outputs": ["logits"], "min_batch": 1,
            "opt_batch": 8, "max_batch": 32, "workspace": 1 << 30, "recipe": 2,
        },
    }  # fmt: skip


def _damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"X")


def _no_description(path: Path) -> None:
    beside(path, ".json").unlink()


def _half_a_description(path: Path) -> None:
    beside(path, ".json").write_text('{"facts": ')


def _foreign(path: Path) -> None:
    described = json.loads(beside(path, ".json").read_text())
    described["facts"]["gpu"] = "Another"
    beside(path, ".json").write_text(json.dumps(described))


@pytest.mark.parametrize(
    "spoil", [_damage, _no_description, _half_a_description, _foreign, Path.unlink]
)
def test_a_spoilt_entry_is_built_again(bundle: Bundle, world: Any, spoil: Any) -> None:
    _load(bundle)
    whole = _engine().read_bytes()
    spoil(_engine())
    _load(bundle)
    assert _builds(world) == 2
    assert _engine().read_bytes() == whole
    _load(bundle)
    assert _builds(world) == 2


def test_an_engine_that_tensorrt_refuses_is_built_again(bundle: Bundle, world: Any) -> None:
    _load(bundle)
    world.refused = 1
    assert _load(bundle) is not None
    assert _builds(world) == 2
    world.refused = 2
    with pytest.raises(RuntimeFailure, match=r"just built on Make-Believe Orin: magic tag"):
        _load(bundle)


def test_a_build_that_fails_leaves_no_entry(bundle: Bundle, world: Any) -> None:
    world.build_error = "no"
    with pytest.raises(RuntimeFailure):
        _load(bundle)
    assert not list((home() / "engines").glob("*.engine"))
    world.build_error = ""
    _load(bundle)


def test_timing_is_shared_by_variants_and_kept(bundle: Bundle, world: Any) -> None:
    _load(bundle, "fp16")
    _load(bundle, "int8")
    given = [content for (content,) in world.named("IBuilderConfig.create_timing_cache")]
    assert given == [b"", b"+1"]


def test_a_variant_is_forgotten(bundle: Bundle, world: Any) -> None:
    _load(bundle)
    _load(bundle, max_batch=16)
    _load(bundle, "fp16")
    folder = home() / "engines"
    for name, text in (("a", "[]"), ("b", '{"facts": '), ("c", '{"facts": {}}')):
        (folder / f"{name}.engine.json").write_text(text)
    kept = {
        path.name
        for path in folder.iterdir()
        if not path.name.startswith("tensorrt-int8") or path.suffix == ".lock"
    }
    assert len(list(folder.iterdir())) == len(kept) + 6
    forget(bundle.variants["tensorrt-int8"].sha256)
    assert {path.name for path in folder.iterdir()} == kept
    _load(bundle, "fp16")
    assert _builds(world) == 3
    _load(bundle)
    assert _builds(world) == 4


def test_forgetting_needs_no_cache() -> None:
    assert not home().exists()
    forget("a")
    assert not home().exists()


@contextlib.contextmanager
def _held_elsewhere(lock: Path) -> Iterator[Callable[[], None]]:
    """Another process holds a lock; gives what lets it go."""
    hold = (
        "import fcntl, sys\nfile = open(sys.argv[1], 'w')\nfcntl.flock(file, fcntl.LOCK_EX)\n"
        "print('held', flush=True)\nsys.stdin.read()"
    )
    command = [sys.executable, "-c", hold, str(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        yield other.stdin.close


def test_another_process_is_waited_for(bundle: Bundle, world: Any) -> None:
    _load(bundle)
    with _held_elsewhere(beside(_engine(), ".lock")) as let_go:
        loading = threading.Thread(target=_load, args=(bundle,))
        loading.start()
        loading.join(0.2)
        assert loading.is_alive()
        let_go()
        loading.join(10)
        assert not loading.is_alive()
    assert _builds(world) == 1


def test_what_another_process_holds_is_not_forgotten(bundle: Bundle) -> None:
    _load(bundle)
    _load(bundle, max_batch=16)
    held, other = sorted((home() / "engines").glob("*.engine"))
    with _held_elsewhere(beside(held, ".lock")):
        before = beside(held, ".lock").stat().st_ino
        forget(bundle.variants["tensorrt-int8"].sha256)
        assert beside(held, ".lock").stat().st_ino == before
        assert held.exists()
        assert not other.exists()
    forget(bundle.variants["tensorrt-int8"].sha256)
    assert {path.suffix for path in (home() / "engines").glob("tensorrt-int8-*")} == {".lock"}


def test_a_cache_that_cannot_be_written_is_told(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EDGEATTR_HOME", str(tmp_path / "file"))
    with pytest.raises(OutputError, match="EDGEATTR_HOME"):
        _load(bundle)
