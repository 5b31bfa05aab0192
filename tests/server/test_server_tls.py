"""`dahlia serve` with a certificate: what is refused before it starts, renewal, and the SDK over https."""

from __future__ import annotations

import logging
import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from certificates import Authority
from dahlia.cli import cli
from dahlia.errors import ConfigError
from dahlia.server.tls import MAX_BYTES, Certificate, certificate_of, expiry_of
from dahlia.settings.server import load_settings

Files = tuple[Path | None, Path | None]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def _encrypted_by_openssl(authority: Authority) -> Files:
    issued = authority.issue("legacy")
    hidden = issued.key.with_suffix(".hidden")
    subprocess.run(
        ["openssl", "ec", "-in", issued.key, "-aes128", "-passout", "pass:a", "-out", hidden],
        check=True,
        capture_output=True,
    )
    return issued.certificate, hidden


def _changed(authority: Authority, old: str, new: str) -> Files:
    issued = authority.issue("changed")
    issued.certificate.write_text(issued.certificate.read_text().replace(old, new, 1))
    return issued.certificate, issued.key


def _pipe(authority: Authority) -> Path:
    pipe = authority.file.with_name("pipe")
    if not pipe.exists():
        os.mkfifo(pipe)
    return pipe


def _large(authority: Authority) -> Path:
    large = authority.file.with_name("large.pem")
    large.write_bytes(authority.issue().certificate.read_bytes() + bytes(MAX_BYTES))
    return large


REFUSED: dict[str, tuple[Callable[[Authority], Files], str]] = {
    "no key": (lambda a: (a.issue().certificate, None), "without server.tls_key. Name it with --tls-key"),
    "no certificate": (lambda a: (None, a.issue().key), "without server.tls_cert. Name it with --tls-cert"),
    "a missing certificate": (
        lambda a: (Path("nowhere.pem"), a.issue().key),
        "certificate .*nowhere.pem cannot be read: No such file",
    ),
    "a missing key": (
        lambda a: (a.issue().certificate, Path("nowhere.key")),
        "private key .*nowhere.key cannot be read: No such file",
    ),
    "a folder": (lambda a: (Path("/"), a.issue().key), "server's certificate, received a folder, /."),
    "a pipe": (lambda a: (_pipe(a), a.issue().key), "received a named pipe, .*Name a regular file"),
    "a key from a pipe": (lambda a: (a.issue().certificate, _pipe(a)), "private key, received a named pipe"),
    "a device": (lambda a: (Path("/dev/zero"), a.issue().key), "received a device, /dev/zero"),
    "a large file": (
        lambda a: (_large(a), a.issue().key),
        "at most 1 MB .*a larger one, .*large.pem",
    ),
    "another's key": (
        lambda a: (a.issue("one").certificate, a.issue("other").key),
        "Expected the private key of the certificate .*one.pem.*received another's in .*other.key",
    ),
    "swapped": (lambda a: (a.issue().key, a.issue().certificate), "Expected a certificate in PEM.*swapped"),
    "two certificates": (lambda a: (a.issue().certificate, a.file), "Expected a private key in PEM"),
    "an encrypted key": (
        lambda a: (a.issue("hidden", password=b"a").certificate, a.issue("hidden", password=b"a").key),
        "encrypted one in .*hidden.key. `openssl pkey",
    ),
    "an encrypted key of an older kind": (_encrypted_by_openssl, "encrypted one in .*legacy.hidden"),
    "a damaged certificate": (lambda a: _changed(a, "\nM", "\n!"), "cannot be used: .*Make them again"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_refused_before_the_start(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    files, said = REFUSED[name]
    certificate, key = files(authority)
    monkeypatch.chdir(tmp_path)
    given = (("--tls-cert", certificate), ("--tls-key", key))
    options = [word for option, path in given if path for word in (option, str(path))]
    environment = {"DAHLIA_SERVER_HOME": str(tmp_path / "home")}
    with pytest.raises(ConfigError, match=said):
        CliRunner().invoke(cli, ["serve", *options], env=environment, catch_exceptions=False)
    assert not (tmp_path / "home").exists()


@pytest.mark.slow
def test_a_refusal_is_no_traceback(authority: Authority, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dahlia", "serve", "--tls-cert", str(authority.issue().certificate)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == 2
    assert "server.tls_cert without server.tls_key" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_settings(authority: Authority, tmp_path: Path) -> None:
    issued = authority.issue()
    file = tmp_path / "dahlia.toml"
    file.write_text(f'[server]\ntls_cert = "{issued.certificate}"\ntls_key = "{issued.key}"\n')
    made = certificate_of(load_settings(file, {}).server)
    assert made
    assert made.expires == issued.expires
    assert made.context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert certificate_of(load_settings(None, {}).server) is None


def test_one_file_may_hold_both(authority: Authority, tmp_path: Path) -> None:
    issued, both = authority.issue(), tmp_path / "both.pem"
    both.write_text(issued.key.read_text() + issued.certificate.read_text() + authority.file.read_text())
    assert Certificate(both, both).expires == issued.expires


@pytest.mark.parametrize(
    ("days", "said"),
    [(-1, "has expired, on {day}"), (5, "expires soon, on {day}"), (40, ""), (20_000, "")],
)
def test_an_end_that_is_near_is_said(
    authority: Authority, caplog: pytest.LogCaptureFixture, days: float, said: str
) -> None:
    issued = authority.issue(days=days)
    made = Certificate(issued.certificate, issued.key)
    made.look()
    assert made.expires == issued.expires  # of both encodings: years from 2050 on have another
    assert caplog.text.count("The certificate") == (1 if said else 0)
    assert said.format(day=f"{issued.expires:%Y-%m-%d}") in caplog.text


@pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----", "MAA="])
def test_no_date_in_what_is_no_certificate(text: str) -> None:
    with pytest.raises(ValueError):
        expiry_of(text)


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, False), (0o644, True), (0o604, True)])
def test_a_key_that_all_may_read(
    authority: Authority, caplog: pytest.LogCaptureFixture, mode: int, warned: bool
) -> None:
    issued = authority.issue()
    issued.key.chmod(mode)
    Certificate(issued.certificate, issued.key)
    assert ("chmod o=" in caplog.text) == warned
    assert issued.key.stat().st_mode & 0o777 == mode


def test_renewal(authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    issued = authority.issue("first", days=5)
    files = tmp_path / "a.pem", tmp_path / "a.key"
    for there, place in zip((issued.certificate, issued.key), files, strict=True):
        shutil.copy(there, place)
    made = Certificate(*files)
    first = made.context
    with caplog.at_level(logging.INFO, "dahlia.server"):
        made.look()
        assert made.context is first
        later = authority.issue("later")
        shutil.copy(later.certificate, files[0])  # half of it
        made.look()
        made.look()
        assert made.context is first
        assert caplog.text.count("is not taken, the one before is. Expected the private key") == 1
        files[1].unlink()
        made.look()
        assert made.context is first
        os.mkfifo(files[1])
        made.look()
        assert caplog.text.count("received a named pipe") == 1
        files[1].unlink()
        shutil.copy(later.key, files[1])
        made.look()
    assert made.context is not first
    assert made.expires == later.expires
    assert f"the certificate that lasts until {later.expires:%Y-%m-%d}" in caplog.text


def test_a_server_that_runs_long_says_when_the_end_is_near(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    now = datetime.now(UTC)
    issued = authority.issue("long", days=90)
    made = Certificate(issued.certificate, issued.key, lambda: now)
    made.look()
    assert caplog.text == ""
    now += timedelta(days=80)
    made.look()
    made.look()
    assert caplog.text.count("expires soon") == 1
