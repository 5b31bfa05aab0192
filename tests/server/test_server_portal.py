"""The portal as the server sends it: a made-up build, and none."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from dahlia.server.http import portal
from dahlia.server.http.portal_build import PortalBuild
from dahlia.settings.sections import ServerSection

PAGE = '<meta name="csp-nonce" content="__CSP_NONCE__"><script src="/portal/assets/a-1.js"></script>'
SCRIPT = "const a = 1;\n" * 500


@pytest.fixture
def build(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(PAGE)
    (folder / "assets" / "a-1.js").write_text(SCRIPT)
    (folder / "icon.svg").write_text("<svg/>")
    (folder / ".vite").mkdir()
    (folder / ".vite" / "manifest.json").write_text("{}")
    (tmp_path / "secret").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret")
    return folder


def served(folder: Path, **section: str) -> TestClient:
    app = FastAPI()
    portal.install(app, ServerSection(**section), PortalBuild(folder))  # type: ignore[arg-type]
    return TestClient(app)


def test_the_page_has_a_nonce_of_its_own(build: Path) -> None:
    client = served(build)
    nonces = set()
    for _ in range(2):
        answer = client.get("/")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"
        written = re.search(r'csp-nonce" content="([\w-]{24})"', answer.text)
        assert written
        assert f"style-src 'self' 'nonce-{written[1]}';" in answer.headers["content-security-policy"]
        nonces.add(written[1])
    assert len(nonces) == 2


def test_the_policy_allows_no_more_than_it_must(build: Path) -> None:
    headers = served(build).get("/").headers
    rules = dict(rule.strip().split(" ", 1) for rule in headers["content-security-policy"].split(";"))
    assert (rules["default-src"], rules["script-src"], rules["connect-src"]) == ("'none'", "'self'", "'self'")
    assert (rules["frame-ancestors"], rules["base-uri"], rules["form-action"]) == ("'none'",) * 3
    assert rules["img-src"] == "'self' blob: data:"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["permissions-policy"].startswith("camera=(self), ")


def test_links_may_be_at_the_public_address(build: Path) -> None:
    policy = (
        served(build, public_url="https://dahlia.example/here").get("/").headers["content-security-policy"]
    )
    for rule in ("img-src", "connect-src", "frame-src"):
        assert f"{rule} 'self' https://dahlia.example" in policy


def test_hashed_files_are_kept_and_compressed(build: Path) -> None:
    client = served(build)
    answer = client.get("/portal/assets/a-1.js", headers={"accept-encoding": "br, gzip"})
    assert (answer.text, answer.headers["content-encoding"]) == (SCRIPT, "gzip")
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert int(answer.headers["content-length"]) == len(gzip.compress(SCRIPT.encode(), 9))
    for refusing in ("identity", "gzip;q=0", ""):
        plain = client.get("/portal/assets/a-1.js", headers={"accept-encoding": refusing})
        assert (plain.text, "content-encoding" in plain.headers) == (SCRIPT, False)
    known = client.get("/portal/assets/a-1.js", headers={"if-none-match": answer.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")


def test_other_files_are_asked_about_each_time(build: Path) -> None:
    client = served(build)
    answer = client.get("/portal/icon.svg")
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == ("image/svg+xml", "no-cache")
    (build / "icon.svg").write_text("<svg><path/></svg>")
    changed = client.get("/portal/icon.svg", headers={"if-none-match": answer.headers["etag"]})
    assert changed.text == "<svg><path/></svg>"


@pytest.mark.parametrize(
    "path",
    [
        "nothing.js", "assets", "assets/", "", "%2e%2e/secret", "assets/..%2f..%2f..%2fsecret",
        "link.txt", ".vite/manifest.json", "%00", "assets%5ca-1.js", "//etc/passwd", "%2fetc/passwd",
        "assets/" + 256 * "a", 300 * "a/" + "b", "assets/" + 5000 * "%C3%A4",
    ],
    ids=lambda path: path[:20],
)  # fmt: skip
def test_nothing_else_is_there(build: Path, path: str) -> None:
    answer = served(build).get(f"/portal/{path}")
    assert (answer.status_code, answer.json()["message"]) == (404, "Resource not found")


def test_without_a_build_the_page_says_how_to_make_it(tmp_path: Path) -> None:
    client = served(tmp_path)
    answer = client.get("/")
    assert answer.status_code == 200
    assert "make portal" in answer.text
    assert client.get("/portal/assets/a-1.js").status_code == 404
