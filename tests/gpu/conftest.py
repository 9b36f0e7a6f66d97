"""What tests on a GPU share: they skip, and say why, where there is none that can be used."""

from __future__ import annotations

import pytest

from edgeattr.core.errors import MissingDependency, RuntimeFailure


@pytest.fixture(scope="session")
def gpu_name() -> str:
    """The first GPU's name."""
    from edgeattr_runtimes.cuda import first_gpu
    from edgeattr_runtimes.tensorrt_installed import import_installed

    try:
        import_installed("tensorrt")
        return first_gpu().name
    except (MissingDependency, RuntimeFailure) as error:
        pytest.skip(str(error))
