from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from fake_hub import FakeHub, keep, kept
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

from dahlia.errors import WeightsError
from dahlia.modeling import hub as module
from dahlia.modeling.hub import HubError, fetch
from dahlia.modeling.pretrained import hub_record
from small_projects import ARCHITECTURE

RECORD = hub_record(ARCHITECTURE)
BODY = bytes(range(256)) * 40
HTTP_ERROR = next(kind for kind in HfHubHTTPError.__mro__ if kind.__name__ == "HTTPError")


def test_the_cache_is_enough(hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        huggingface_hub, "get_hf_file_metadata", lambda *_, **__: pytest.fail("asked the hub")
    )
    link = keep(hub_cache, RECORD.repository, BODY)
    assert fetch(RECORD) == link


def test_a_cache_without_links_is_taken_as_it_is(hub_cache: Path) -> None:
    link = keep(hub_cache, RECORD.repository, BODY)
    link.unlink()
    link.write_bytes(b"who knows")
    assert fetch(RECORD).read_bytes() == b"who knows"


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: data[:-1] + b"x"], ids=["cut", "flipped"]
)
def test_a_damaged_cache(hub_cache: Path, damage: Callable[[bytes], bytes]) -> None:
    link = keep(hub_cache, RECORD.repository, BODY)
    link.resolve().write_bytes(damage(BODY))
    with pytest.raises(
        WeightsError, match=rf"cache is damaged: expected SHA-256 {link.resolve().name}, found"
    ):
        fetch(RECORD)
    assert link.exists(), "what the user has is left alone"


def test_a_blob_in_a_shared_store_is_checked_by_its_own_name(hub_cache: Path) -> None:
    link = keep(hub_cache, RECORD.repository, BODY)
    blob = link.resolve()
    blob.rename(shared := blob.with_name("0" * 64))
    blob.symlink_to(shared)
    assert fetch(RECORD).read_bytes() == BODY


def test_what_the_hub_has_is_fetched_once(hub: FakeHub, hub_cache: Path) -> None:
    hub.body = BODY
    assert fetch(RECORD).read_bytes() == BODY
    asked = len(hub.asked)
    assert fetch(RECORD).read_bytes() == BODY
    assert len(hub.asked) == asked
    assert all(RECORD.repository in line for line in hub.asked if "resolve" in line)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"status": 500}, "the hub answered with status 500"),
        ({"status": 503, "body": b"<html>busy</html>"}, "status 503"),
        ({"status": 404, "error_code": "RepoNotFound"}, f"the hub has no {RECORD.repository}, or does not"),
        ({"status": 401}, "status 401"),
        ({"status": 404, "error_code": "EntryNotFound"}, "has no model.safetensors, and pickled files like"),
        ({"body": b"<html>Log in</html>", "commit": None}, "no model hub: it stated no commit and SHA-256"),
        ({"stated": "abc"}, "no model hub"),
        (
            {"status": 302, "headers": {"Location": "http://127.0.0.1:1/portal"}, "commit": None},
            "no model hub",
        ),
        ({"body": BODY, "stated_size": len(BODY) + 1}, r"the download broke off \(OSError\)"),
        (
            {"body": b"[", "headers": {"X-Xet-Hash": "1" * 64, "Link": '<{url}/token>; rel="xet-auth"'}},
            r"the download broke off \(\w+\)",
        ),
    ],
    ids=[
        "500",
        "busy",
        "no repository",
        "401",
        "only pickled",
        "html",
        "no SHA",
        "portal",
        "truncated",
        "json",
    ],
)
def test_a_hub_that_answers_nonsense(
    hub: FakeHub, hub_cache: Path, answer: dict[str, Any], message: str
) -> None:
    for name, value in answer.items():
        setattr(hub, name, value)
    hub.headers = {name: value.format(url=hub.url) for name, value in hub.headers.items()}
    with pytest.raises(HubError, match=message):
        fetch(RECORD)
    assert kept(hub_cache) == []


def test_a_download_of_another_checksum_is_dropped(hub: FakeHub, hub_cache: Path) -> None:
    hub.body, hub.stated = BODY, "a" * 64
    with pytest.raises(
        WeightsError, match=f"arrived damaged and was dropped: expected SHA-256 {'a' * 64}, rec"
    ):
        fetch(RECORD)
    hub.stated = None
    assert fetch(RECORD).read_bytes() == BODY, "nothing damaged was left to be found again"
    assert [hashlib.sha256(data).digest() for data in kept(hub_cache)] == [hashlib.sha256(BODY).digest()]


def test_a_download_that_stands_still(hub: FakeHub, hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STANDSTILL_SECONDS", 1.0)
    hub.body, hub.kept_back = BODY, 1
    with pytest.raises(HubError, match="the download stood still for 1 s"):
        fetch(RECORD)
    assert kept(hub_cache) == []


def test_a_slow_download_is_waited_for(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.body = BODY
    (tmp_path / "slow").write_bytes(BODY)
    turns, moves, patient = threading.Semaphore(0), threading.Semaphore(0), module.wait
    waited: list[float] = []

    def download(*_: object, tqdm_class: Any, **__: object) -> str:
        bar = tqdm_class(disable=True)
        for _ in range(3):
            turns.acquire()
            bar.update(1)
            moves.release()
        turns.acquire()
        return str(tmp_path / "slow")

    def wait(futures: list[Any], seconds: float) -> Any:
        waited.append(seconds)
        turns.release()
        if len(waited) > 3:
            return patient(futures, 100)
        moves.acquire()
        return SimpleNamespace(done=set())

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr(module, "wait", wait)
    assert fetch(RECORD) == tmp_path / "slow"
    assert waited == [module.STANDSTILL_SECONDS] * 4


def test_a_hub_that_takes_connections_and_is_silent(
    silent_hub: str, go_online: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    go_online(silent_hub)
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.5)
    with pytest.raises(HubError, match=r"the hub did not answer within 0\.5 s"):
        fetch(RECORD)


@pytest.fixture
def stuck(hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A client that keeps no time limit, as when a name is looked up."""
    ended = threading.Event()
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", lambda *_, **__: ended.wait())
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.2)
    yield
    ended.set()


@pytest.mark.usefixtures("stuck")
def test_a_client_that_keeps_no_time_limit() -> None:
    with pytest.raises(HubError, match=r"the hub did not answer within 0\.2 s"):
        fetch(RECORD)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (HTTP_ERROR("no route"), "the hub could not be reached (HTTPError)"),
        (OfflineModeIsEnabled("offline"), "the hub's client is in offline mode (HF_HUB_OFFLINE)"),
        (TimeoutError("slow"), "the hub did not answer within 5 s"),
        (ConnectionError("reset"), "the hub could not be reached (ConnectionError)"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_hub_that_cannot_be_reached(
    hub_cache: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    asked = []

    def fail(*_: object, **__: object) -> None:
        asked.append(1)
        raise error

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", fail)
    with pytest.raises(HubError) as caught:
        fetch(RECORD)
    assert str(caught.value) == message
    assert len(asked) == 1


def test_nobody_listens(go_online: Callable[[str], None], hub: FakeHub) -> None:
    go_online("http://127.0.0.1:1")
    with pytest.raises(HubError, match=r"the hub could not be reached \(ConnectError\)"):
        fetch(RECORD)
    assert hub.asked == []


def test_a_cache_of_pickled_weights_is_not_read(hub_cache: Path) -> None:
    keep(hub_cache, RECORD.repository, b"\x80\x04N.", file="pytorch_model.bin")
    with pytest.raises(
        HubError, match=r"offline mode .*its local cache has only pytorch_model\.bin, which is not"
    ):
        fetch(RECORD)


def test_mistakes_of_ours_are_not_taken_for_the_hubs(
    hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", lambda *_, **__: {}["mistake"])
    with pytest.raises(KeyError, match="mistake"):
        fetch(RECORD)
