import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import edgeattr
from edgeattr.core.bundle import Bundle
from edgeattr.core.bundle_format import variant_file
from edgeattr.core.bundle_reading import with_digest
from edgeattr.core.crops import read_image
from edgeattr.core.errors import BundleError, InputError
from edgeattr.core.hub import default_bundle
from edgeattr.core.posterior import TrackFusion, TrackPosterior


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the shipped bundle that a test may spoil."""
    return Path(shutil.copytree(default_bundle(), tmp_path / "copy.edgeattr"))


_SHIPPED = Bundle.read(default_bundle())
_INT8 = next(name for name in _SHIPPED.variants if "int8" in name)
_COUNT = len(_SHIPPED.schema)
_INDEX = json.loads((default_bundle() / "bundle.json").read_text())


def _edit(path: Path, key: str, value: object) -> None:
    index = json.loads((path / "bundle.json").read_text())
    index[key] = value
    index.pop("sha256", None)
    (path / "bundle.json").write_text(json.dumps(with_digest(index)))


def test_the_shipped_bundle_is_whole_and_small_and_says_where_it_comes_from() -> None:
    _SHIPPED.verify()
    assert set(_SHIPPED.variants) == {"onnx-fp32", _INT8}
    assert sum(path.stat().st_size for path in default_bundle().iterdir()) <= 15 * 10**6
    training, track = _SHIPPED.training, _SHIPPED.track
    assert "research use only" in training["licence"]
    assert (training["split"], training["selected_on"]) == ("train", "val")
    assert 0 < track.correlation < 1
    held = track.facts["held_out"]
    assert (track.facts["split"], 100 * track.bound, held["bound"]) == ("val", 5, 5)
    assert max(held["error"], held["yes_error"], held["no_error"]) <= 5
    assert held["coverage"] > 75


def test_the_digest_is_of_the_content_wherever_it_lies(copy: Path, tmp_path: Path) -> None:
    bundle = Bundle.read(copy)
    assert len(bundle.digest) == 64
    bundle.zip(tmp_path / "packed.edgeattr")
    assert Bundle.read(tmp_path / "packed.edgeattr").digest == bundle.digest
    thresholds = (0.5, *bundle.thresholds[1:])
    assert dataclasses.replace(bundle, thresholds=thresholds).digest != bundle.digest
    other = dataclasses.replace(bundle.variant(_INT8), sha256="0" * 64)
    assert bundle.with_variant(other).digest != bundle.digest


def test_the_section_of_tracks_is_kept_and_a_bundle_without_one_still_loads(
    copy: Path, tmp_path: Path
) -> None:
    bundle = Bundle.read(copy)
    count = len(bundle.schema)
    fusion = TrackFusion(
        correlation=0.3,
        none_of=(-2.0,) * len(bundle.schema.exclusive),
        yes_margin=(0.5,) * count,
        bound=0.02,
        facts={"split": "a"},
    )
    changed = dataclasses.replace(bundle, track=fusion).write(tmp_path / "new.edgeattr", {})
    assert changed.track == fusion
    changed.zip(tmp_path / "zipped.edgeattr")
    assert Bundle.read(tmp_path / "zipped.edgeattr").track == fusion
    old = dataclasses.replace(changed, track=None).write(tmp_path / "new.edgeattr", {})
    assert old.track is None
    assert "track" not in json.loads((tmp_path / "new.edgeattr" / "bundle.json").read_text())
    with edgeattr.load(tmp_path / "new.edgeattr") as model:
        posterior = TrackPosterior(model.decision, model.bundle.track)
        posterior.add(bundle.golden.logits[0], 0.5)
        assert {answer.answer for answer in posterior.answers().values()} > {"yes", "no"}


def test_a_description_changed_by_hand_is_refused_and_one_without_a_digest_is_told(
    copy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    index = json.loads((copy / "bundle.json").read_text())
    assert index.pop("sha256") == Bundle.read(copy).digest
    (copy / "bundle.json").write_text(json.dumps(index))
    assert Bundle.read(copy).digest == _SHIPPED.digest
    assert "no SHA-256 of itself" in caplog.text
    index["schema"]["attributes"].reverse()
    (copy / "bundle.json").write_text(json.dumps({**index, "sha256": _SHIPPED.digest}))
    for call in (Bundle.read, edgeattr.load):
        with pytest.raises(BundleError, match="changed after it had been written"):
            call(copy)


def test_a_zip_loads_is_repeatable_and_holds_what_the_index_names(
    copy: Path, tmp_path: Path
) -> None:
    (copy / "notes.txt").write_text("mine")
    bundle = Bundle.read(copy)
    first, second = tmp_path / "a.edgeattr", tmp_path / "b.edgeattr"
    bundle.zip(first)
    bundle.zip(second)
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        models = {variant.file for variant in bundle.variants.values()}
        assert set(archive.namelist()) == {"bundle.json", bundle.golden.file, *models}
    with edgeattr.load(first) as model:
        assert len(model.predict(list(bundle.golden.crops))) == len(bundle.golden.crops)


def test_a_changed_or_missing_model_file_is_named(copy: Path) -> None:
    file = copy / _SHIPPED.variants[_INT8].file
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(BundleError, match="is damaged: its SHA-256"):
        edgeattr.load(copy, precision="int8")
    with edgeattr.load(copy, precision="fp32") as model:
        assert model.describe().precision == "fp32"
    (copy / _SHIPPED.variants["onnx-fp32"].file).unlink()
    with pytest.raises(BundleError, match=r"model-onnx-fp32-\w+\.onnx is missing"):
        edgeattr.load(copy, precision="fp32")
    with pytest.raises(BundleError, match=rf"no variant 'x'.*onnx-fp32, {_INT8}"):
        _SHIPPED.variant("x")


def test_wrong_answers_on_the_golden_crops_are_refused(copy: Path) -> None:
    int8 = _INDEX["variants"][_INT8]
    _edit(copy, "variants", {"onnx-fp32": {**_INDEX["variants"]["onnx-fp32"], **{
        name: int8[name] for name in ("file", "sha256")}}})  # fmt: skip
    with pytest.raises(BundleError, match="answers wrongly on this device"):
        edgeattr.load(copy, precision="fp32")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("thresholds", [0.5], f"1 thresholds for {_COUNT} attributes"),
        ("track", {"correlation": 2}, "track.correlation is 2; expected 0 to 1"),
        ("track", {"prior": [0.5]}, f"track.prior is not a list of {_COUNT} numbers"),
        ("track", 7, "damaged"),
        ("input", {"height": 3}, "damaged"),
        ("input", {"height": 10**30}, "too large"),
        ("input", {**_INDEX["input"], "colour": "RGB"}, "asks for input colour 'RGB'"),
        ("input", {**_INDEX["input"], "resize": "fit"}, "asks for input resize 'fit'"),
        ("variants", {"onnx-fp32": {}}, "damaged"),
        ("variants", [], "damaged"),
        (
            "variants",
            {"onnx-fp32": {**_INDEX["variants"]["onnx-fp32"], "file": "../outside.onnx"}},
            "not a plain file name",
        ),
        ("thresholds", [2.0] * _COUNT, "outside 0..1"),
        ("thresholds", [float("nan")] * _COUNT, "NaN is not a finite number"),
        ("thresholds", [10**400] * _COUNT, "the number 1000.* is too large"),
        ("training", {"epochs": float("inf")}, "Infinity is not a finite number"),
        ("training", 3, "damaged"),
        ("golden", {"file": "../golden.npz"}, "not a plain file name"),
        ("golden", {"file": _SHIPPED.golden.file}, "damaged.*sha256"),
    ],
)
def test_damaged_index(copy: Path, key: str, value: object, message: str) -> None:
    _edit(copy, key, value)
    with pytest.raises(BundleError, match=message):
        Bundle.read(copy)


def _other_crops(path: Path, count: int) -> None:
    size = (count, _SHIPPED.input.height, _SHIPPED.input.width, 3)
    np.savez_compressed(path, crops=np.zeros(size, np.uint8), logits=np.zeros((count, _COUNT)))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.write_bytes(b""), r"golden-\w+\.npz is damaged"),
        (lambda path: path.write_bytes(path.read_bytes()[:4]), r"golden-\w+\.npz is damaged"),
        (lambda path: path.write_bytes(path.read_bytes()[:3000]), r"golden-\w+\.npz is damaged"),
        (lambda path: _other_crops(path, 8), r"golden-\w+\.npz is damaged"),
        (lambda path: _other_crops(path, 5000), r"unpacks to \d+ bytes"),
    ],
    ids=["empty", "four bytes", "cut", "others", "bomb"],
)
def test_damaged_golden_crops(copy: Path, spoil: Callable[[Path], None], message: str) -> None:
    spoil(copy / _SHIPPED.golden.file)
    with pytest.raises(BundleError, match=message):
        Bundle.read(copy)


def test_truncated_index_zip_and_absence(copy: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed.edgeattr"
    _SHIPPED.zip(packed)
    packed.write_bytes(packed.read_bytes()[:5000])
    with pytest.raises(BundleError, match="cannot be read"):
        Bundle.read(packed)
    text = (copy / "bundle.json").read_text()
    for damaged, message in (
        ('{"format": 1', r"bundle\.json is damaged: Expecting"),
        ("[]", "expected an object, got list; get or convert the bundle again"),
        (text.replace('"format": 1', f'"format": 1{"0" * 5000}'), "too large"),
    ):
        (copy / "bundle.json").write_text(damaged)
        with pytest.raises(BundleError, match=message):
            Bundle.read(copy)
    with pytest.raises(BundleError, match="no bundle at"):
        Bundle.read(tmp_path / "absent")


def _zip(target: Path, folder: Path, prefix: str = "", **changed: bytes) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in folder.iterdir():
            archive.writestr(prefix + path.name, changed.get(path.stem, path.read_bytes()))
    return target


def test_a_zip_with_an_enclosing_folder_loads(copy: Path, tmp_path: Path) -> None:
    packed = _zip(tmp_path / "packed.edgeattr", copy, "copy.edgeattr/")
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("__MACOSX/copy.edgeattr/._bundle.json", b"")
    bundle = Bundle.read(packed)
    bundle.verify()
    assert bundle.digest == Bundle.read(copy).digest
    twice = _zip(tmp_path / "twice.edgeattr", copy, "one/")
    with zipfile.ZipFile(twice, "a") as archive:
        archive.writestr("two/bundle.json", b"{}")
    with pytest.raises(BundleError, match="2 files of that name at the top or in one folder"):
        Bundle.read(twice)


@pytest.mark.parametrize("part", ["bundle", "golden", "model"])
def test_a_small_zip_that_unpacks_to_much_is_refused(copy: Path, tmp_path: Path, part: str) -> None:
    bundle = Bundle.read(copy)
    stem = {"bundle": "bundle", "golden": Path(bundle.golden.file).stem}.get(
        part, Path(bundle.variants["onnx-fp32"].file).stem
    )
    packed = _zip(tmp_path / "bomb.edgeattr", copy, **{stem: bytes(40 << 20)})
    assert packed.stat().st_size < 20e6
    tracemalloc.start()
    with pytest.raises(BundleError, match=r"bytes unpack to 41943040"):
        Bundle.read(packed).read_file(bundle.variants["onnx-fp32"])
    assert tracemalloc.get_traced_memory()[1] < 30e6
    tracemalloc.stop()


def test_what_never_ends_is_not_read(copy: Path, tmp_path: Path) -> None:
    for model in ("/dev/zero", tmp_path / "pipe"):
        if isinstance(model, Path):
            os.mkfifo(model)
        with pytest.raises(BundleError, match="neither a directory nor a file"):
            edgeattr.load(model)
    (copy / "bundle.json").unlink()
    (copy / "bundle.json").symlink_to("/dev/zero")
    with pytest.raises(BundleError, match="not a regular file"):
        Bundle.read(copy)
    with pytest.raises(InputError, match="not a regular file"):
        read_image(Path("/dev/zero"))


@pytest.mark.parametrize("after", range(4))
def test_an_interrupt_leaves_a_whole_bundle_and_no_litter(
    after: int, copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it comes just after the new index is in place: then the new files stay."""
    old = Bundle.read(copy)
    content = old.read_file(old.variants[_INT8])
    digest = hashlib.sha256(content).hexdigest()
    added = dataclasses.replace(
        old.variants[_INT8], engine="onnx", precision="fp16", sha256=digest,
        file=variant_file("onnx-fp16", digest),
    )  # fmt: skip
    (tmp_path / "new.onnx").write_bytes(content)
    names = {path.name for path in copy.iterdir()}
    replace, done = os.replace, 0

    def interrupted(source: str, target: str) -> None:
        nonlocal done
        replace(source, target)
        done += 1
        if done > after:
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with contextlib.suppress(KeyboardInterrupt):
        old.with_variant(added).write(copy, {added.file: tmp_path / "new.onnx"})
    monkeypatch.setattr(os, "replace", replace)
    Bundle.read(copy).verify()
    found = {path.name for path in copy.iterdir()}
    assert found == (names if "onnx-fp16" not in Bundle.read(copy).variants else found)
    assert ("onnx-fp16" in Bundle.read(copy).variants) is (after >= 2)


def test_writing_removes_only_what_the_old_bundle_named(copy: Path) -> None:
    (copy / "model-notes.txt").write_text("mine")
    old = Bundle.read(copy)
    fewer = dataclasses.replace(old, variants={_INT8: old.variants[_INT8]})
    fewer.write(copy, {})
    assert not (copy / old.variants["onnx-fp32"].file).exists()
    assert (copy / "model-notes.txt").read_text() == "mine"
