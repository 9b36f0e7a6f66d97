import pytest


@pytest.fixture(autouse=True)
def _no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have a page of their own."""
    monkeypatch.delenv("EDGEATTR_WEB_TOKEN", raising=False)
    pytest.importorskip("starlette")
    pytest.importorskip("uvicorn")
