"""Addresses that would make the server ask where its client may not.

In these tests 127.0.0.1 plays a host of the public internet, and 127.0.0.9 one of the inside that must never
be asked. Names are resolved by a resolver of the tests' own.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from dahlia.errors import ServiceError
from dahlia.http import fetch as fetching
from dahlia.http.fetch import fetch, is_public
from photo_server import WebServer, photo_server

PUBLIC, INSIDE = "127.0.0.1", "127.0.0.9"
really_public, is_own = is_public, fetching._is_own

Names = dict[str, list[str]]


@pytest.fixture
def web() -> Iterator[WebServer]:
    with photo_server(b"a photo") as server:
        yield server


@pytest.fixture
def inside(web: WebServer) -> Iterator[WebServer]:
    """A server of the inside, at the port of the public one, so that a name may lead to either."""
    with photo_server(b"a secret", INSIDE, web.server_port) as server:
        yield server


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """What names resolve to, one lookup after the other; the last answer stays."""
    answers: Names = {"photos.example": [PUBLIC], "inside.example": [INSIDE]}
    resolve = anyio.getaddrinfo

    async def look_up(host: str, port: int, **options: Any) -> Any:
        if host not in answers:
            return await resolve(host, port, **options)
        known = answers[host]
        address = known.pop(0) if len(known) > 1 else known[0]
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (part, port)) for part in address.split("+")]

    monkeypatch.setattr(anyio, "getaddrinfo", look_up)
    monkeypatch.setattr(fetching, "is_public", lambda one: one == PUBLIC or really_public(one))
    monkeypatch.setattr(fetching, "_is_own", lambda _: False)
    return answers


def get(url: str) -> bytes:
    return anyio.run(fetch, url, "public")


def refused(url: str, words: str = "") -> None:
    with pytest.raises(ServiceError) as caught:
        get(url)
    assert (caught.value.code, caught.value.status) == ("BadRequestImageUrl", 400)
    assert words in str(caught.value)


def test_the_public_host_of_these_tests_answers(web: WebServer, inside: WebServer, names: Names) -> None:
    assert get(f"http://photos.example:{web.server_port}/photo") == b"a photo"
    assert anyio.run(fetch, f"{inside.base}/secret", "any") == b"a secret"


@pytest.mark.parametrize("first", [f"{PUBLIC}", f"{INSIDE}+{PUBLIC}", f"{PUBLIC}+{INSIDE}"])
def test_a_name_that_resolves_again_is_not_followed_inside(
    web: WebServer, inside: WebServer, names: Names, first: str
) -> None:
    names["rebinding.example"] = [first, INSIDE]
    assert get(f"http://rebinding.example:{web.server_port}/photo") == b"a photo"
    refused(f"http://rebinding.example:{web.server_port}/photo", "no public address")
    assert inside.asked == []


def test_a_name_that_resolves_again_between_redirects(
    web: WebServer, inside: WebServer, names: Names
) -> None:
    names["rebinding.example"] = [PUBLIC, INSIDE]
    again = f"http://rebinding.example:{web.server_port}/secret"
    refused(f"http://rebinding.example:{web.server_port}/to/{again}", "no public address")
    assert (len(web.asked), inside.asked) == (1, [])


# `{port}` is that of both servers.
TARGETS = [
    "http://127.0.0.9:{port}/secret",
    "//127.0.0.9:{port}/secret",
    "http://inside.example:{port}/secret",
    "http://INSIDE.example:{port}/secret",
    "http://photos.example@127.0.0.9:{port}/secret",
    "http://photos.example%40127.0.0.9:{port}/secret",
    "http://127.0.0.9:{port}\\@photos.example/secret",
    "http://127.0.0.9:{port}#@photos.example/secret",
    "http://127.0.0.9:{port}?@photos.example/secret",
    "http://2130706441:{port}/secret",
    "http://0x7f000009:{port}/secret",
    "http://0x7f.9:{port}/secret",
    "http://0177.0.0.011:{port}/secret",
    "http://127.9:{port}/secret",
    "http://127.0.0.9.:{port}/secret",
    "http://[::ffff:127.0.0.9]:{port}/secret",
    "http://[::ffff:7f00:9]:{port}/secret",
    "http://[0:0:0:0:0:ffff:7f00:9]:{port}/secret",
    "http://[::127.0.0.9]:{port}/secret",
    "http://[64:ff9b::7f00:9]:{port}/secret",
    "http://[2002:7f00:9::]:{port}/secret",
    "http://①②⑦.⓪.⓪.⑨:{port}/secret",
    "http://127。0。0。9:{port}/secret",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://100.100.100.200/latest/meta-data/",
    "http://192.0.0.192/opc/v2/instance/",
    "http://168.63.129.16/metadata",
    "http://0.0.0.0:{port}/secret",
    "http://0:{port}/secret",
    "http://[::]:{port}/secret",
    "http://255.255.255.255/",
    "file:///etc/passwd",
    "ftp://127.0.0.9/secret",
    "gopher://127.0.0.9:{port}/_GET%20/secret",
    "dict://127.0.0.9:{port}/",
    "data:image/png;base64,AAAA",
    "javascript:alert(1)",
    "unix:///run/docker.sock",
]  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
def test_neither_asked_for_nor_redirected_to(
    web: WebServer, inside: WebServer, names: Names, target: str
) -> None:
    address = target.format(port=web.server_port)
    if "://" in address or not address.startswith("//"):
        refused(address)
    encoded = address.encode().decode("latin-1")  # as a header carries it
    if encoded.isascii():
        refused(f"http://photos.example:{web.server_port}/to/{encoded}")
    assert inside.asked == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_every_kind_of_redirect_is_checked(
    web: WebServer, inside: WebServer, names: Names, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    def redirect(handler: Any) -> None:
        handler._answer(status, b"", {"Location": f"http://inside.example:{web.server_port}/secret"})

    monkeypatch.setattr(web.RequestHandlerClass, "do_GET", redirect)
    refused(f"http://photos.example:{web.server_port}/", "no public address")
    assert inside.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "http://photos.example:{port}/a\r\nX-Injected: yes",
        "http://photos.example:{port}/a%0d%0aX-Injected:%20yes",
        "http://photos.example:{port}/?a=\r\nX-Injected: yes",
        "http://photos.example:{port}/a b\nX-Injected: yes",
        "http://photos.example:{port}/\x00\x7fX-Injected",
        "http://user:pass@photos.example:{port}/a",
        "http://photos.example:{port}/a\tX-Injected: yes",
    ],
)
def test_nothing_is_smuggled_into_the_request(
    web: WebServer, names: Names, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    seen: list[list[tuple[str, str]]] = []

    def note(handler: Any) -> None:
        seen.append(handler.headers.items())
        handler._answer(200, b"a photo")

    monkeypatch.setattr(web.RequestHandlerClass, "do_GET", note)
    assert get(url.format(port=web.server_port)) == b"a photo"
    (headers,) = seen
    known = {"host", "accept", "accept-encoding", "user-agent", "connection"}
    assert {name.lower() for name, _ in headers} == known
    assert dict(headers)["Host"] == f"photos.example:{web.server_port}"


@pytest.mark.parametrize("host", ["a\r\nb.example", "a\x00b.example", "a b.example", "exa%0d%0ample.com"])
def test_hosts_that_are_no_names(names: Names, host: str) -> None:
    refused(f"http://{host}/")


def test_a_public_address_of_this_very_machine_is_not_asked(
    web: WebServer, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "_is_own", is_own)
    refused(f"http://photos.example:{web.server_port}/photo", "this server's own machine")
    assert web.asked == []
    assert anyio.run(fetch, f"{web.base}/photo", "any") == b"a photo"


@pytest.mark.parametrize(("hops", "comes"), [(5, True), (6, False)])
def test_a_chain_of_redirects_ends(web: WebServer, names: Names, hops: int, comes: bool) -> None:
    url = f"http://photos.example:{web.server_port}{'/to/' * hops}/photo"
    if comes:
        assert get(url) == b"a photo"
    else:
        refused(url, "more than 5 times")
