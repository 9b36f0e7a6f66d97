"""A Session runs any network, whatever its shapes, on each engine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgeattr.core.errors import RuntimeFailure
from edgeattr_runtimes import available, remedy
from edgeattr_runtimes.load import session_from_file
from edgeattr_runtimes.session import Session


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A network of free sides: `sum` is `first` plus `second`, `twice` twice `first`."""
    shape = ["rows", "sides"]
    graph = helper.make_graph(
        [
            helper.make_node("Add", ["first", "second"], ["sum"]),
            helper.make_node("Add", ["first", "first"], ["twice"]),
        ],
        "sums",
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name in ("first", "second")
        ],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name in ("sum", "twice")
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(tmp_path / "sums.onnx"))
    return tmp_path / "sums.onnx"


@pytest.fixture(params=["onnxruntime", "openvino"])
def session(request: pytest.FixtureRequest, file: Path) -> Session:
    engine = str(request.param)
    if engine not in available():
        pytest.skip(remedy(engine))
    return session_from_file(file, engine=engine, threads=1)


def test_names_shapes_and_types(session: Session) -> None:
    assert [str(port) for port in session.inputs] == [
        "first float32 [?, ?]",
        "second float32 [?, ?]",
    ]
    assert [port.name for port in session.outputs] == ["sum", "twice"]
    assert session.arithmetic == "f32"


@pytest.mark.parametrize("rows", [1, 3, 4, 5, 11])
def test_any_number_of_rows_in_batches_of_four(session: Session, rows: int) -> None:
    rng = np.random.default_rng(rows)
    first, second = (rng.random((rows, 6), np.float32) for _ in range(2))
    with session.fixed({"first": (4, 6), "second": (4, 6)}) as fixed:
        found = fixed.run({"first": first, "second": second})
    assert np.allclose(found[0], first + second)
    assert np.allclose(found[1], 2 * first)


def test_the_outputs_that_are_wanted_in_their_order(session: Session) -> None:
    ones = np.ones((2, 3), np.float32)
    shapes = {"first": ones.shape, "second": ones.shape}
    for names in (["twice", "sum"], ["twice"]):
        with session.fixed(shapes, names) as fixed:
            assert [port.name for port in fixed.outputs] == names
            found = fixed.run({"first": ones, "second": 4 * ones})
        expected = {"twice": 2.0, "sum": 5.0}
        assert [float(each[0, 0]) for each in found] == [expected[name] for name in names]


def test_threads_have_slots_of_their_own(session: Session) -> None:
    with session.fixed({"first": (2, 500), "second": (2, 500)}) as fixed:

        def right(value: int) -> bool:
            array = np.full((2, 500), value, np.float32)
            return all(
                (found == 2 * value).all() for found in fixed.run({"first": array, "second": array})
            )

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(right, range(200)))


def test_closing_is_final(session: Session) -> None:
    fixed = session.fixed({"first": (1, 2), "second": (1, 2)})
    array = np.ones((1, 2), np.float32)
    fixed.run({"first": array, "second": array})
    with fixed.lent():  # a run that goes on comes to its end
        fixed.close()
    fixed.close()
    with pytest.raises(RuntimeFailure, match="this network was closed"):
        fixed.run({"first": array, "second": array})
