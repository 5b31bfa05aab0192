from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import huggingface_hub
import pytest
from fake_hub import FakeHub
from huggingface_hub import constants

from dahlia.modeling import hub as module

PATIENT = 120.0


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty local cache of the hub's client; the client itself is offline."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_XET_CACHE", str(tmp_path / "xet"))
    return tmp_path / "hub"


@pytest.fixture
def go_online(hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Point the hub's client at an address; it reads its settings once, so they are replaced in place."""

    def point(url: str) -> None:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr(module, "ANSWER_SECONDS", PATIENT)
        huggingface_hub.close_session()

    yield point
    huggingface_hub.close_session()


@pytest.fixture
def hub(go_online: Callable[[str], None]) -> Iterator[FakeHub]:
    """A hub that answers; nothing of it is in the local cache yet."""
    fake = FakeHub()
    go_online(fake.url)
    yield fake
    fake.close()


@pytest.fixture
def silent_hub() -> Iterator[str]:
    """The address of a hub that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
