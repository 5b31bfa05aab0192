from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from dahlia.errors import ConfigError, ServiceError
from dahlia.http import fetch as fetching
from dahlia.http.body import MAX_IMAGE
from dahlia.http.fetch import fetch, is_public, read_reach
from photo_server import WebServer, photo_server


@pytest.fixture
def web() -> Iterator[WebServer]:
    with photo_server(b"a photo") as server:
        yield server


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for `localhost` that signs itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = tmp_path / "certificate.pem"
    path.write_bytes(private + made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    return path


@pytest.mark.parametrize(
    ("host", "trusted", "comes"),
    [("localhost", True, True), ("localhost", False, False), ("127.0.0.1", True, False)],
)
def test_certificates_are_checked(
    web: WebServer, certificate: Path, monkeypatch: pytest.MonkeyPatch, host: str, trusted: bool, comes: bool
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    web.socket = context.wrap_socket(web.socket, server_side=True, do_handshake_on_connect=False)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    if comes:
        assert get(f"https://{host}:{web.server_port}/photo") == web.photo
    else:
        with pytest.raises(ServiceError, match="CERTIFICATE_VERIFY_FAILED"):
            get(f"https://{host}:{web.server_port}/photo")


def get(url: str, reach: Any = "any") -> bytes:
    return anyio.run(fetch, url, reach)


@pytest.mark.parametrize(
    "path",
    ["/photo", "/to//photo", "/to//to//photo?a=b", "/photo with ümlauts.jpg", "/large/0", "?a b=c", ""],
)
def test_photos_that_come(web: WebServer, path: str) -> None:
    assert len(get(web.base + path)) in (len(web.photo), MAX_IMAGE)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/status/404", "404"),
        ("/status/301", "301"),
        ("/loop", "redirects more than 5 times"),
        ("/to/ftp://example.com/", "http://"),
        ("/to/file:///etc/passwd", "http://"),
        ("/garbage", "does not answer in HTTP"),
        ("/short", "does not answer in HTTP"),
        ("/silent", "did not come within"),
        ("/trickle", "did not come within"),
    ],
)
def test_photos_that_do_not_come(
    web: WebServer, monkeypatch: pytest.MonkeyPatch, path: str, words: str
) -> None:
    if "did not come" in words:
        monkeypatch.setattr(fetching, "SECONDS", 0.5)
    with pytest.raises(ServiceError) as caught:
        get(web.base + path)
    assert (caught.value.code, caught.value.status) == ("BadRequestImageUrl", 400)
    assert words in str(caught.value)


@pytest.mark.parametrize("path", ["/large/1", "/endless"])
def test_a_photo_that_is_too_large(web: WebServer, path: str) -> None:
    with pytest.raises(ServiceError) as caught:
        get(web.base + path)
    assert caught.value.code == "BadRequestImageSizeBytes"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "photo.jpg",
        "ftp://a/b",
        "file:///a",
        "http://",
        "http://[::1",
        "http://a:99999/",
        f"http://{'a' * 70}/",
    ],
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(ServiceError) as caught:
        get(url)
    assert caught.value.code == "BadRequestImageUrl"


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]", "169.254.169.254"],
)
def test_private_hosts_are_not_asked(web: WebServer, host: str) -> None:
    with pytest.raises(ServiceError, match=r"has no public address|cannot be reached"):
        get(f"http://{host}:{web.server_port}/photo", "public")
    assert web.asked == []


def test_a_public_name_of_a_private_address(web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    lookups = []

    async def resolve(host: str, port: int, **_: Any) -> Any:
        lookups.append(host)
        # Public when it is asked first, private ever after.
        address = "192.0.2.1" if len(lookups) > 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(anyio, "getaddrinfo", resolve)
    with pytest.raises(ServiceError, match="has no public address"):
        get(f"http://photos.example:{web.server_port}/photo", "public")
    assert lookups == ["photos.example"]
    assert web.asked == []


def test_what_is_connected_to_is_what_was_looked_up(web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    lookups = []

    async def resolve(host: str, port: int, **_: Any) -> Any:
        lookups.append(host)
        addresses = ["127.0.0.9", "127.0.0.1"]  # nothing listens on the first
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in addresses]

    monkeypatch.setattr(anyio, "getaddrinfo", resolve)
    assert get(f"http://photos.example:{web.server_port}/photo") == web.photo
    assert lookups == ["photos.example"]


def test_fetching_can_be_switched_off(web: WebServer) -> None:
    with pytest.raises(ServiceError, match="fetches no images"):
        get(f"{web.base}/photo", "off")
    assert web.asked == []


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700:4700::1111", True),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::808:808", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("168.63.129.16", False),
        ("0.0.0.0", False),
        ("255.255.255.255", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("fec0::1", False),
        ("::127.0.0.1", False),
        ("::ffff:0:127.0.0.1", False),
        ("64:ff9b:1::7f00:1", False),
        ("5f00::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("2001:0:53aa:64c:0:0:0:0", False),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    ("text", "reach"),
    [(None, "public"), ("", "public"), ("public", "public"), ("any", "any"), ("off", "off")],
)
def test_the_setting(text: str | None, reach: str) -> None:
    assert read_reach({} if text is None else {"SOME_FETCH": text}, "SOME_FETCH") == reach


def test_a_setting_that_cannot_be_used() -> None:
    with pytest.raises(ConfigError, match="SOME_FETCH"):
        read_reach({"SOME_FETCH": "all"}, "SOME_FETCH")
