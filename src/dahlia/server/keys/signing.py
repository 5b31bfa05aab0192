"""What the server signs with its secret: links to files, and tokens of copies; each with a key of its own.

The secret is in a file or a setting, never in the database, which keeps a fingerprint: by that, servers that
share the database find out whether they share the secret too.
"""

from __future__ import annotations

import errno
import hmac
import os
import secrets
import uuid
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.exc import IntegrityError

from dahlia.errors import ConfigError
from dahlia.files import flush, staged_file
from dahlia.server import disk
from dahlia.server.database.tables import SecretRow
from dahlia.server.storage.links import MIN_SECRET, Links

if TYPE_CHECKING:
    from dahlia.server.database.sessions import Database
    from dahlia.settings.server import Settings

FILE = "secret"
_BYTES = 32
_FINGERPRINT = "fingerprint"
_IN_CLEAR = "links"  # where earlier versions kept the secret itself
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EACCES}


class Signing:
    """Signs with the server's secret, which is looked for when an application is made: workers need none.

    Args:
        database: knows which secret it is.
        settings: say where it is.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    def load(self) -> None:
        """Look for the secret now: outside of a transaction, which a secret that is made needs itself.

        Raises:
            ConfigError: there is no secret where one is expected, or another one.
            DatabaseError: the database cannot be used.
        """
        _ = self._secret

    @cached_property
    def links(self) -> Links:
        """Signs addresses of files."""
        return self._signer("links")

    @cached_property
    def copies(self) -> Links:
        """Signs tokens with which projects are copied."""
        return self._signer("copies")

    @cached_property
    def _secret(self) -> bytes:
        return secret_of(self._database, self._settings)

    def _signer(self, purpose: str) -> Links:
        return Links(subkey(self._secret, purpose), hours=self._settings.security.link_hours)


def subkey(secret: bytes, purpose: str) -> bytes:
    """A key for one purpose, from which neither the secret nor another purpose's key can be computed."""
    return hmac.digest(secret, f"dahlia {purpose}".encode(), "sha256")


def secret_of(database: Database, settings: Settings) -> bytes:
    """The server's secret; made at the first start.

    Raises:
        ConfigError: it cannot be read, is missing, or is another than the database was used with.
        DatabaseError: the database cannot be used.
    """
    known = _row(database, _FINGERPRINT)
    secret = _given(settings)
    if secret is None and known is not None:
        raise _refusal(f"{_file(settings)} is not there")
    if secret is None:
        secret = _make(_file(settings))
    mark = subkey(secret, _FINGERPRINT)
    if not hmac.compare_digest(known or _remember(database, mark), mark):
        raise _refusal(f"{_origin(settings)} holds another one")
    if _row(database, _IN_CLEAR) is not None:
        _forget(database, _IN_CLEAR)
    return secret


def renew_secret(database: Database, settings: Settings) -> str:
    """Sign with a new secret from now on: a random one, or what a setting or `security.secret_file` says.

    Returns:
        Where it is.

    Raises:
        ConfigError: it cannot be read or written.
        DatabaseError: the database cannot be used.
    """
    if settings.security.secret or settings.security.secret_file:
        secret = _given(settings)
    else:
        secret = None
        with staged_file(_file(settings)) as staged:
            staged.chmod(0o600)
            staged.write_text(_random())
    mark = subkey(secret or _read(_file(settings)), _FINGERPRINT)
    with database.write() as session:
        session.query(SecretRow).filter(SecretRow.name.in_((_FINGERPRINT, _IN_CLEAR))).delete()
        session.add(SecretRow(name=_FINGERPRINT, value=mark))
    return _origin(settings)


def _file(settings: Settings) -> Path:
    return settings.security.secret_file or settings.server.home / FILE


def _origin(settings: Settings) -> str:
    return "security.secret" if settings.security.secret else str(_file(settings))


def _given(settings: Settings) -> bytes | None:
    if settings.security.secret:
        return settings.security.secret.reveal().encode()
    path = _file(settings)
    return _read(path) if settings.security.secret_file or os.path.exists(path) else None  # noqa: PTH110


def _read(path: Path) -> bytes:
    disk.close_to_others([path])
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise ConfigError(
            f"The server's secret {path} cannot be read: {error.strerror}. Make it readable, or name another "
            "with DAHLIA_SECURITY_SECRET_FILE; `openssl rand -hex 32` makes one."
        ) from error
    if len(secret) < MIN_SECRET:
        raise ConfigError(
            f"Expected a secret of at least {MIN_SECRET} characters in {path}, received {len(secret)}. "
            "`openssl rand -hex 32` makes one."
        )
    return secret


def _make(path: Path) -> bytes:
    """Write a secret where there is none; of two processes that do, the first one's is kept."""
    staged = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with open(staged, "xb", opener=_for_ourselves) as file:
            file.write(_random().encode())
            file.flush()
            os.fsync(file.fileno())
        _name(staged, path)
        flush(path.parent)
    except OSError as error:
        raise ConfigError(
            f"The server's secret {path} cannot be written: {error.strerror}. Make room, or a folder that "
            "may be written, or set DAHLIA_SECURITY_SECRET."
        ) from error
    finally:
        staged.unlink(missing_ok=True)
    return _read(path)


def _name(staged: Path, path: Path) -> None:
    try:
        path.hardlink_to(staged)
    except FileExistsError:
        pass
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        staged.rename(path)


def _for_ourselves(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _random() -> str:
    return secrets.token_hex(_BYTES) + "\n"


def _row(database: Database, name: str) -> bytes | None:
    with database.read() as session:
        row = session.get(SecretRow, name)
        return row.value if row else None


def _remember(database: Database, mark: bytes) -> bytes:
    try:
        with database.write() as session:
            session.add(SecretRow(name=_FINGERPRINT, value=mark))
    except IntegrityError:  # another server was first
        return _row(database, _FINGERPRINT) or mark
    return mark


def _forget(database: Database, name: str) -> None:
    with database.write() as session:
        session.query(SecretRow).filter(SecretRow.name == name).delete()


def _refusal(what: str) -> ConfigError:
    return ConfigError(
        f"Expected the secret that this database was used with, for links to images and exports; {what}. "
        f"Copy the file `{FILE}` from the home of a server that has it, or set DAHLIA_SECURITY_SECRET to the "
        "same on all servers of the database. If it is lost, `dahlia keys new-secret` makes another; links "
        "that were given out before end then."
    )
