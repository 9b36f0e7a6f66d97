"""What was measured here decides, as long as it was measured of the very same things."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from edgeattr.core.bundle import Bundle
from edgeattr.core.errors import BundleError, OutputError, RuntimeFailure
from edgeattr.core.hub import default_bundle
from edgeattr_runtimes import EngineOptions, bench, decide, open_runtime, tuning_cache
from edgeattr_runtimes import tune as tune_module
from edgeattr_runtimes.bench import measure
from edgeattr_runtimes.bench_process import Setting
from edgeattr_runtimes.timing import median_interval
from edgeattr_runtimes.tune import tune
from edgeattr_runtimes.tuning_cache import TunedSetting, read_tuning, tuning_path, write_tuning

from ..conftest import with_onnx_int8


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    slower_elsewhere = {"device": "another", "speedup": 0.7}
    return with_onnx_int8(Bundle.read(default_bundle()), slower_elsewhere)


def _tuned(engine: str, variant: str, speed: float, **options: int) -> TunedSetting:
    return TunedSetting(
        engine=engine,
        variant=variant,
        options=EngineOptions(**options),
        crops_per_second=speed,
        batch=8,
    )


_MEASURED = (
    _tuned("onnxruntime", "onnx-fp32", 120, streams=1, batch=2),
    _tuned("onnxruntime", "onnx-int8", 110),
    _tuned("nobody", "onnx-int8", 100),
)


def test_the_best_that_was_measured_is_taken(bundle: Bundle) -> None:
    before = decide(bundle)
    assert (before.variant.name, before.options) == ("onnx-fp32", EngineOptions())
    assert "bench --tune" in before.why
    write_tuning(bundle, _MEASURED)
    assert read_tuning(bundle) == _MEASURED
    after = decide(bundle)
    assert (after.engine, after.variant.name) == ("onnxruntime", "onnx-fp32")
    assert after.options == EngineOptions(streams=1, batch=2)
    assert "measured here, 120 crops/s" in after.why
    with open_runtime(bundle) as runtime:
        about = runtime.describe()
        assert (about.precision, about.streams, about.batch) == ("fp32", 1, 2)


def test_what_is_asked_for_goes_before_what_was_measured(bundle: Bundle) -> None:
    write_tuning(bundle, _MEASURED)
    assert decide(bundle, precision="int8").variant.name == "onnx-int8"
    asked = decide(bundle, options=EngineOptions(threads=1))
    assert (asked.variant.name, asked.options) == ("onnx-fp32", EngineOptions(threads=1))
    assert decide(bundle, options=EngineOptions(attention=True)).options.attention


def test_it_counts_only_for_the_same_bundle_and_engines(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_tuning(bundle, _MEASURED)
    assert path == tuning_path(bundle)
    variant = dataclasses.replace(bundle.variants["onnx-int8"], sha256="0" * 64)
    assert read_tuning(bundle.with_variant(variant)) == ()
    content = json.loads(path.read_text())
    (first, *others) = content["settings"]
    for damaged in (
        "{", "[]", json.dumps({**content, "settings": [{"engine": "x"}]}),
        *(
            json.dumps({**content, "settings": [{**first, **change}, *others]})
            for change in (
                {"options": {"streams": 0}}, {"options": {"device": 5}}, {"variant": []},
                {"crops_per_second": "x"},
            )
        ),
    ):  # fmt: skip
        path.write_text(damaged)
        assert read_tuning(bundle) == ()
    write_tuning(bundle, _MEASURED)
    for name in ("device_name", "gpu_name"):
        with monkeypatch.context() as patch:
            patch.setattr(tuning_cache, name, lambda: "another")
            assert read_tuning(bundle) == ()
    assert read_tuning(bundle) == _MEASURED


def test_a_cache_that_cannot_be_written_is_named(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EDGEATTR_HOME", str(tmp_path / "file"))
    with pytest.raises(OutputError, match="set EDGEATTR_HOME"):
        write_tuning(bundle, _MEASURED)


def test_the_interval_holds_the_median() -> None:
    low, middle, high = median_interval([1.0, 2.0, 3.0, 4.0, 100.0])
    assert 1.0 <= low < middle == 3.0 < high <= 100.0
    assert median_interval([7.0]) == (7.0, 7.0, 7.0)


def test_settings_are_timed_in_turns(small_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "available_memory", lambda: None)
    settings = [
        Setting(engine="onnxruntime", variant="onnx-fp32", batch=batch, raw=raw)
        for batch, raw in ((1, False), (5, True))
    ]
    ticks: list[tuple[int, int]] = []
    found = measure(
        small_bundle.path, settings, seconds=0.1, tick=lambda *counts: ticks.append(counts)
    )
    assert ticks == [(turn, 5) for turn in range(1, 6)]
    assert [timing.setting for timing in found] == settings
    for timing in found:
        assert 0 < timing.low <= timing.crops_per_second <= timing.high
        assert 0 < timing.latency_ms["p50"] <= timing.latency_ms["p95"] <= timing.latency_ms["p99"]
        slowest = 1000 * timing.setting.batch / timing.latency_ms["p99"]
        assert slowest < timing.high * 1.5
        assert timing.calls >= 5
        assert timing.about.engine == "onnxruntime"
        assert timing.relative == 1 or timing is not found[0]
        if timing.setting.raw:  # our engine was in that process too
            assert (timing.rss_mb, timing.load_seconds) == (None, None)
        else:
            assert timing.rss_mb
            assert 30 < timing.rss_mb < 2000
            assert timing.load_seconds


def test_no_more_processes_than_memory_is_there_for(
    small_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = [
        Setting(engine="onnxruntime", variant="onnx-fp32", batch=batch) for batch in (1, 4, 8)
    ]
    alive: list[int] = []
    ticks: list[tuple[int, int]] = []

    def tick(done: int, total: int) -> None:
        alive.append(len(multiprocessing.active_children()))
        ticks.append((done, total))

    monkeypatch.setattr(bench, "available_memory", lambda: 1)
    found = measure(small_bundle.path, settings, seconds=0.1, tick=tick)
    assert max(alive) == 2
    assert ticks == [(turn, 10) for turn in range(1, 11)]
    assert [timing.setting.batch for timing in found] == [1, 4, 8]
    assert found[0].relative == 1
    assert found[0].calls > found[1].calls, "it took turns in both groups"


def test_a_setting_that_answers_wrongly_is_not_timed(
    small_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tune_module, "automatic", lambda: ("onnxruntime",))
    golden = dataclasses.replace(small_bundle.golden, logits=small_bundle.golden.logits + 1)
    wrong = dataclasses.replace(small_bundle, golden=golden).write(tmp_path / "w.edgeattr", {})
    setting = Setting(engine="onnxruntime", variant="onnx-fp32")
    with pytest.raises(BundleError, match="answers wrongly"):
        measure(wrong.path, [setting])
    told: list[str] = []
    with pytest.raises(RuntimeFailure, match=r"no variant of .* can run here"):
        tune(wrong.path, tell=told.append)
    assert all("answers wrongly" in text for text in told)


def test_tuning_is_kept(small_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tune_module, "BATCHES", (2,))
    monkeypatch.setattr(tune_module, "automatic", lambda: ("onnxruntime",))
    found = tune(small_bundle.path, seconds=0.1)
    variations = {(timing.about.streams, timing.about.batch) for timing in found}
    assert len(variations) == len(found) >= 2
    kept = read_tuning(small_bundle)
    assert [entry.options for entry in kept] == [timing.setting.options for timing in found]
    assert [timing.relative for timing in found] == sorted(
        (timing.relative for timing in found), reverse=True
    )
    with open_runtime(small_bundle) as runtime:
        about = runtime.describe()
        assert (about.streams, about.batch) == (found[0].about.streams, found[0].about.batch)
        logits = runtime.infer(small_bundle.golden.crops).logits
    assert np.abs(logits - small_bundle.golden.logits).max() < 1e-3
