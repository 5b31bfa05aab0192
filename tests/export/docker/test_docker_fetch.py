from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anyio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from starlette.testclient import TestClient

from dahlia.errors import ServingError
from dahlia.export.docker.context import fetch as fetching
from dahlia.export.docker.context.fetch import fetch, is_public
from dahlia.serving.body import MAX_IMAGE


class Web(BaseHTTPRequestHandler):
    """Serves what the path says."""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        what, _, rest = self.path[1:].partition("/")
        if what == "garbage":
            self.wfile.write(b"\0\1\2 no HTTP\r\n\r\n")
        elif what == "silent":
            threading.Event().wait(2)
        elif what == "short":
            self._answer(200, b"x" * 10, {"Content-Length": "100"})
        elif what == "large":
            self._answer(200, bytes(MAX_IMAGE + int(rest)))
        elif what == "status":
            self._answer(int(rest), b"")
        elif what == "to":
            self._answer(302, b"", {"Location": rest})
        elif what == "loop":
            self._answer(301, b"", {"Location": "/loop"})
        else:
            self._answer(200, self.server.photo)  # type: ignore[attr-defined]

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


class WebServer(ThreadingHTTPServer):
    daemon_threads = True
    photo = b""

    def handle_error(self, *_: Any) -> None:  # a client that goes away, on purpose
        pass


@pytest.fixture
def web(picture: Any) -> Iterator[Any]:
    with WebServer(("127.0.0.1", 0), Web) as server:
        server.photo = picture()
        server.asked = []  # type: ignore[attr-defined]
        server.base = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


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
    web: Any, certificate: Path, monkeypatch: pytest.MonkeyPatch, host: str, trusted: bool, comes: bool
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    web.socket = context.wrap_socket(web.socket, server_side=True, do_handshake_on_connect=False)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    if comes:
        assert get(f"https://{host}:{web.server_port}/photo") == web.photo
    else:
        with pytest.raises(ServingError, match="CERTIFICATE_VERIFY_FAILED"):
            get(f"https://{host}:{web.server_port}/photo")


def get(url: str, reach: Any = "any") -> bytes:
    return anyio.run(fetch, url, reach)


@pytest.mark.parametrize(
    "path",
    ["/photo", "/to//photo", "/to//to//photo?a=b", "/photo with ümlauts.jpg", "/large/0", "?a b=c", ""],
)
def test_photos_that_come(web: Any, path: str) -> None:
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
    ],
)
def test_photos_that_do_not_come(web: Any, monkeypatch: pytest.MonkeyPatch, path: str, words: str) -> None:
    monkeypatch.setattr(fetching, "SECONDS", 0.5)
    with pytest.raises(ServingError) as caught:
        get(web.base + path)
    assert (caught.value.code, caught.value.status) == ("BadRequestImageUrl", 400)
    assert words in str(caught.value)


def test_a_photo_that_is_too_large(web: Any) -> None:
    with pytest.raises(ServingError) as caught:
        get(f"{web.base}/large/1")
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
    with pytest.raises(ServingError) as caught:
        get(url)
    assert caught.value.code == "BadRequestImageUrl"


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]", "169.254.169.254"],
)
def test_private_hosts_are_not_asked(web: Any, host: str) -> None:
    with pytest.raises(ServingError, match=r"has no public address|cannot be reached"):
        get(f"http://{host}:{web.server_port}/photo", "public")
    assert web.asked == []


def test_a_public_name_of_a_private_address(web: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lookups = []

    async def resolve(host: str, port: int, **_: Any) -> Any:
        lookups.append(host)
        # Public when it is asked first, private ever after.
        address = "192.0.2.1" if len(lookups) > 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(anyio, "getaddrinfo", resolve)
    with pytest.raises(ServingError, match="has no public address"):
        get(f"http://photos.example:{web.server_port}/photo", "public")
    assert lookups == ["photos.example"]
    assert web.asked == []


def test_what_is_connected_to_is_what_was_looked_up(web: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lookups = []

    async def resolve(host: str, port: int, **_: Any) -> Any:
        lookups.append(host)
        addresses = ["127.0.0.9", "127.0.0.1"]  # nothing listens on the first
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in addresses]

    monkeypatch.setattr(anyio, "getaddrinfo", resolve)
    assert get(f"http://photos.example:{web.server_port}/photo") == web.photo
    assert lookups == ["photos.example"]


def test_fetching_can_be_switched_off(web: Any) -> None:
    with pytest.raises(ServingError, match="fetches no photos"):
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
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("2001:0:53aa:64c:0:0:0:0", False),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize("key", ["url", "Url", "URL"])
@pytest.mark.parametrize(
    "path",
    [
        "/url",
        "/colours/url/nostore",
        "/customvision/v3.1/prediction/12121212-3434-4565-8787-989898989898/classify/iterations/v1/url",
    ],
)
def test_url_routes(client_of: Any, web: Any, path: str, key: str) -> None:
    answer = client_of(URL_FETCH="any").post(path, content=json.dumps({key: f"{web.base}/photo"})).json()
    assert max(answer["predictions"], key=lambda one: one["probability"])["tagName"] == "red"


def test_url_routes_refuse(client: TestClient, web: Any) -> None:
    response = client.post("/url", json={"url": f"{web.base}/photo"})
    assert response.status_code == 200
    assert response.text.startswith("Error processing image: ")
    assert web.asked == []
