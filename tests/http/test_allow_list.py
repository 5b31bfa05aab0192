"""Hosts and networks that an operator lists: what they open, and what they never do.

127.0.0.1 and 127.0.0.9 play hosts of the own network; names are resolved by a resolver of the tests' own.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from dahlia.errors import ConfigError, ServiceError
from dahlia.http import allow_list
from dahlia.http import fetch as fetching
from dahlia.http.allow_list import read_allow_list
from dahlia.http.fetch import Reach, fetch
from photo_server import WebServer, photo_server

OTHER = "127.0.0.9"


def admits(text: str, host: str, address: str, port: int = 80, *, own: bool = False) -> bool:
    return read_allow_list(text, "LIST").admits(host, port, address, own=own)


@pytest.mark.parametrize(
    ("text", "host", "address", "expected"),
    [
        ("photos.lan", "photos.lan", "10.0.0.5", True),
        ("Photos.LAN.", "PHOTOS.lan.", "10.0.0.5", True),
        ("photos.lan", "photos.lan", "fd00::5", True),
        ("photos.lan", "a.photos.lan", "10.0.0.5", False),
        ("photos.lan", "xphotos.lan", "10.0.0.5", False),
        ("photos.lan", "photos.lan.evil.example", "10.0.0.5", False),
        ("*.lan", "photos.lan", "10.0.0.5", True),
        ("*.lan", "a.b.lan", "10.0.0.5", True),
        ("*.lan", "lan", "10.0.0.5", False),
        ("*.lan", "evillan", "10.0.0.5", False),
        ("bücher.lan", "xn--bcher-kva.lan", "10.0.0.5", True),
        ("xn--bcher-kva.lan", "xn--bcher-kva.lan", "10.0.0.5", True),
        ("photos.lan:8080", "photos.lan", "10.0.0.5", False),
        ("photos.lan:80", "photos.lan", "10.0.0.5", True),
        ("10.0.0.5", "anything", "10.0.0.5", True),
        ("10.0.0.5:80", "10.0.0.5", "10.0.0.5", True),
        ("10.0.0.5:81", "10.0.0.5", "10.0.0.5", False),
        ("[fd00::5]:80", "x", "fd00::5", True),
        ("fd00::5", "x", "fd00:0::5", True),
        ("10.0.0.0/24", "x", "10.0.0.5", True),
        ("10.0.0.0/24", "x", "10.0.1.5", False),
        ("10.0.0.0/24", "x", "::ffff:10.0.0.5", True),
        ("10.0.0.0/24", "x", "64:ff9b::a00:5", True),
        ("10.0.0.0/24", "x", "2002:a00:5::", True),
        ("::ffff:10.0.0.5", "x", "10.0.0.5", True),
        ("fd00::/8", "x", "fd12::1", True),
        ("fd00::/8", "x", "10.0.0.5", False),
        ("10.0.0.1, photos.lan  192.168.0.0/16", "x", "192.168.3.4", True),
        ("", "x", "10.0.0.5", False),
        # What a name or a wide network does not open
        ("photos.lan", "photos.lan", "127.0.0.1", False),
        ("photos.lan", "photos.lan", "::1", False),
        ("photos.lan", "photos.lan", "0.0.0.0", False),
        ("photos.lan", "photos.lan", "169.254.169.254", False),
        ("photos.lan", "photos.lan", "168.63.129.16", False),
        ("photos.lan", "photos.lan", "::ffff:169.254.169.254", False),
        ("photos.lan", "photos.lan", "64:ff9b::a9fe:a9fe", False),
        ("photos.lan", "photos.lan", "2002:a9fe:a9fe::", False),
        ("photos.lan", "photos.lan", "fe80::1%eth0", False),
        ("photos.lan", "photos.lan", "fd00:ec2::254", False),
        ("photos.lan", "photos.lan", "::127.0.0.1", False),
        ("photos.lan", "photos.lan", "64:ff9b:1::7f00:1", False),
        ("photos.lan", "photos.lan", "224.0.0.1", False),
        ("0.0.0.0/0", "x", "10.0.0.5", True),
        ("0.0.0.0/0", "x", "169.254.169.254", False),
        ("0.0.0.0/0", "x", "127.0.0.1", False),
        ("::/0", "x", "fe80::1", False),
        ("169.254.0.0/16", "x", "169.254.169.254", True),
        ("169.254.169.254", "x", "169.254.169.254", True),
        ("168.63.129.16", "x", "168.63.129.16", True),
        ("127.0.0.0/8", "x", "127.0.0.1", True),
        ("::1", "x", "::1", True),
        ("localhost", "localhost", "127.0.0.1", True),
        ("localhost", "localhost", "::1", True),
        ("localhost", "localhost", "169.254.169.254", False),
    ],
)
def test_what_a_list_admits(text: str, host: str, address: str, expected: bool) -> None:
    assert admits(text, host, address) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("photos.lan", False), ("10.0.0.0/24", False), ("10.0.0.5", True), ("10.0.0.5:80", True)],
)
def test_an_address_of_this_machine_is_listed_by_itself(text: str, expected: bool) -> None:
    assert admits(text, "photos.lan", "10.0.0.5", own=True) is expected


@pytest.mark.parametrize(
    "text",
    [
        "http://photos.lan", "photos.lan/path", "10.0.0.5/24", "10.0.0.0/24:80", "photos.lan:0",
        "photos.lan:99999", "photos.lan:", "*", "*.", "a.*.lan", "*lan", "-a.lan", "2130706433", "0x7f.1",
        "127.1", "10.0.0.256", "a..b", "user@photos.lan", "fd00::/129", "[::1", "ph otos;lan", "a" * 64, "\0",
    ],
)  # fmt: skip
def test_entries_that_cannot_be_used(text: str) -> None:
    with pytest.raises(ConfigError, match=r"in SOME_LIST, such as"):
        read_allow_list(f"good.lan, {text}", "SOME_LIST")


@pytest.fixture
def web() -> Iterator[WebServer]:
    with photo_server(b"a photo") as server:
        yield server


@pytest.fixture
def other(web: WebServer) -> Iterator[WebServer]:
    """A host of the own network that nobody listed, at the same port."""
    with photo_server(b"a secret", OTHER, web.server_port) as server:
        yield server


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What names resolve to, one lookup after the other; 127.0.0.0/8 counts as a private network."""
    answers = {"photos.lan": ["127.0.0.1"], "other.lan": [OTHER]}
    resolve = anyio.getaddrinfo

    async def look_up(host: str, port: int, **options: Any) -> Any:
        known = answers.get(host.lower().removesuffix("."))
        if known is None:
            return await resolve(host, port, **options)
        address = known.pop(0) if len(known) > 1 else known[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(anyio, "getaddrinfo", look_up)
    loopback = {str(one) for one in allow_list._GUARDED if one.is_loopback}
    guarded = tuple(one for one in allow_list._GUARDED if str(one) not in loopback)
    monkeypatch.setattr(allow_list, "_GUARDED", guarded)
    monkeypatch.setattr(fetching, "_is_own", lambda _: False)
    return answers


def get(url: str, text: str = "photos.lan", reach: Reach = "public") -> bytes:
    allowed = read_allow_list(text, "THE_LIST")

    async def bring() -> bytes:
        return await fetch(url, reach, 1000, allowed)

    return anyio.run(bring)


def refused(url: str, text: str = "photos.lan", reach: Reach = "public") -> None:
    with pytest.raises(ServiceError) as caught:
        get(url, text, reach)
    assert (caught.value.code, caught.value.status) == ("BadRequestImageUrl", 400)


@pytest.mark.parametrize("reach", ["public", "off"])
def test_a_listed_host_answers(web: WebServer, names: dict[str, list[str]], reach: Reach) -> None:
    for host in ("photos.lan", "PHOTOS.LAN", "photos.lan."):
        assert get(f"http://{host}:{web.server_port}/photo", reach=reach) == b"a photo"
    refused(f"http://photos.lan:{web.server_port}/photo", f"photos.lan:{web.server_port + 1}", reach)
    refused(f"http://photos.lan:{web.server_port}/photo", "*.photos.lan", reach)


def test_with_off_the_list_is_all_there_is(names: dict[str, list[str]]) -> None:
    names["photos.example"] = ["93.184.216.34"]
    with pytest.raises(ServiceError, match=r"not on this server's list.*THE_LIST"):
        get("http://photos.example/photo", reach="off")


def test_the_refusal_names_the_setting(web: WebServer, names: dict[str, list[str]]) -> None:
    with pytest.raises(ServiceError, match=r"no public address.*allow hosts and networks with THE_LIST"):
        get(f"http://other.lan:{web.server_port}/photo")


def test_a_listed_name_is_pinned(web: WebServer, other: WebServer, names: dict[str, list[str]]) -> None:
    names["photos.lan"] = ["127.0.0.1", "169.254.169.254"]
    assert get(f"http://photos.lan:{web.server_port}/photo") == b"a photo"
    refused(f"http://photos.lan:{web.server_port}/photo")


TARGETS = [
    "http://other.lan:{port}/secret",
    "//other.lan:{port}/secret",
    "http://127.0.0.9:{port}/secret",
    "http://photos.lan@127.0.0.9:{port}/secret",
    "http://photos.lan%40127.0.0.9:{port}/secret",
    "http://127.0.0.9:{port}#@photos.lan/",
    "http://127.0.0.9:{port}\\@photos.lan/",
    "http://2130706441:{port}/secret",
    "http://0x7f000009:{port}/secret",
    "http://0177.0.0.011:{port}/secret",
    "http://127.9:{port}/secret",
    "http://[::ffff:127.0.0.9]:{port}/secret",
    "http://[64:ff9b::7f00:9]:{port}/secret",
    "http://photos.lan.other.lan:{port}/secret",
    "http://169.254.169.254/latest/meta-data/",
    "file:///etc/passwd",
]  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
def test_a_listed_host_leads_to_no_other(
    web: WebServer, other: WebServer, names: dict[str, list[str]], target: str
) -> None:
    address = target.format(port=web.server_port)
    refused(f"http://photos.lan:{web.server_port}/to/{address}")
    if not address.startswith("//"):
        refused(address)
    assert other.asked == []


def test_a_redirect_to_a_listed_host_is_followed(
    web: WebServer, other: WebServer, names: dict[str, list[str]]
) -> None:
    url = f"http://photos.lan:{web.server_port}/to/http://other.lan:{web.server_port}/secret"
    assert get(url, "photos.lan, other.lan") == b"a secret"
    assert get(url, "photos.lan, 127.0.0.9") == b"a secret"


def test_this_machine_must_be_listed_by_its_address(web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://127.0.0.1:{web.server_port}/photo"
    refused(url, "photos.lan, 0.0.0.0/0")
    for text in ("127.0.0.1", "127.0.0.0/8", f"127.0.0.1:{web.server_port}"):
        assert get(url, text) == b"a photo"
    assert get(f"http://localhost:{web.server_port}/photo", "localhost") == b"a photo"
    refused(f"http://localhost:{web.server_port}/photo", "*.localhost")
