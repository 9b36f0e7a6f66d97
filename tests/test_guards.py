"""What must not change by accident: exported names, imports, lengths, the promise."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import edgeattr
import edgeattr.core.errors

_ROOT = Path(__file__).resolve().parent.parent


def test_exported_names() -> None:
    assert edgeattr.__all__ == [
        "AsyncModel", "Attribute", "AttributeAnswer", "AttributeModel", "AttributeSchema",
        "Bundle", "EdgeAttrError", "Explanation", "Prediction", "TrackRecord", "__version__",
        "load",
    ]  # fmt: skip
    for name in edgeattr.__all__:
        assert getattr(edgeattr, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = edgeattr.nothing


def test_every_error_is_drawn_at_the_top_of_its_module() -> None:
    drawn = edgeattr.core.errors.__doc__ or ""
    errors = [
        value
        for value in vars(edgeattr.core.errors).values()
        if isinstance(value, type) and value.__module__ == "edgeattr.core.errors"
    ]
    assert errors
    for error in errors:
        assert error.__name__ in drawn
        assert issubclass(error, edgeattr.EdgeAttrError)


def _imported(code: str) -> list[str]:
    """What an interpreter of its own prints of `import edgeattr`."""
    code = "import sys, time; start = time.perf_counter(); import edgeattr; " + code
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_import_is_light() -> None:
    heavy = "{'numpy', 'cv2', 'torch', 'onnxruntime'}"
    assert _imported(f"print(sorted({heavy} & set(sys.modules)))") == ["[]"]


@pytest.mark.slow  # it asks the clock
def test_import_is_fast() -> None:
    runs = [_imported("print(time.perf_counter() - start)") for _ in range(3)]
    assert min(float(line) for run in runs for line in run) < 0.3


def test_only_slow_tests_ask_the_clock() -> None:
    """An upper bound on elapsed time fails on a busy machine; deadlines of loops are patience."""
    clock = re.compile(r"(monotonic|perf_counter|time\.time)\(\) - \w+ <")
    found = [
        f"{path.name}: {test.name}"
        for path in sorted((_ROOT / "tests").rglob("test_*.py"))
        if "gpu" not in path.parts
        for test in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(test, ast.FunctionDef)
        and test.name.startswith("test_")
        and not re.search(r"\b(slow|gpu)\b", " ".join(map(ast.unparse, test.decorator_list)))
        for check in ast.walk(test)
        if isinstance(check, ast.Assert) and clock.search(ast.unparse(check.test))
    ]
    found += [  # in programs that tests run
        f"{path.name}: line {node.lineno}"
        for path in sorted((_ROOT / "tests").rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and clock.search(str(node.value))
    ]
    assert found == []


def test_conversion_imports_no_torch() -> None:
    """Every module of it, with torch and torchvision blocked."""
    folder = _ROOT / "convert" / "edgeattr_convert"
    modules = [f"edgeattr_convert.{path.stem}" for path in folder.glob("[!_]*.py")]
    assert len(modules) > 10
    code = (
        "import importlib, sys\n"
        "sys.modules['torch'] = sys.modules['torchvision'] = None\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "trained = [name for name in sys.modules if name.startswith('edgeattr_train.')]\n"
        "assert all(name.startswith('edgeattr_train.data') for name in trained), trained\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports inside functions and for type checkers included."""
    grimp = pytest.importorskip("grimp")
    networkx = pytest.importorskip("networkx")
    graph = grimp.build_graph(
        "edgeattr", "edgeattr_train", "edgeattr_convert", "edgeattr_runtimes", cache_dir=None
    )
    imports = networkx.DiGraph(
        (name, other)
        for name in graph.modules
        for other in graph.find_modules_directly_imported_by(name)
    )
    circles = [c for c in networkx.strongly_connected_components(imports) if len(c) > 1]
    assert circles == []


def test_files_and_functions_stay_short() -> None:
    folders = ("edgeattr", "train", "convert", "runtimes")
    for path in (p for folder in folders for p in (_ROOT / folder).rglob("*.py")):
        text = path.read_text()
        assert text.count("\n") <= 400, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 60, f"{path}: {node.name}"


def test_the_default_model_keeps_its_promise(shared: Path, tmp_path: Path) -> None:
    """INT8 on PETA val: mA >= 82, F1 >= 84, and at most 1.0 below FP32."""
    found = {}
    for precision in ("fp32", "int8"):
        target = tmp_path / f"{precision}.json"
        subprocess.run(
            [sys.executable, "-m", "edgeattr", "eval", "--data", f"peta:{shared / 'peta'}",
             "--precision", precision, "--json", target, "--quiet"],
            check=True,
        )  # fmt: skip
        found[precision] = json.loads(target.read_text())
    assert found["int8"]["images"] == 1900
    assert found["int8"]["mA"] >= 82.0
    assert found["int8"]["f1"] >= 84.0
    for key in ("mA", "f1"):
        assert found["fp32"][key] - found["int8"][key] <= 1.0


@pytest.mark.slow  # it asks the clock
def test_load_to_first_answer_is_quick() -> None:
    import numpy as np

    start = time.perf_counter()
    with edgeattr.load() as model:
        model.predict([np.zeros((80, 40, 3), np.uint8)])
    assert time.perf_counter() - start < 3.0  # one second on an idle machine
