"""Files behind a URL, by fsspec: `s3://` above all, where a write that is answered is whole and durable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, cast

import fsspec

from dahlia.files import staged_file
from dahlia.imports import require_extra
from dahlia.server.storage.backend import (
    Content,
    Entry,
    StorageError,
    disk_fault,
    is_full,
    not_there,
    remote_fault,
    scrub,
    spread,
)

REQUESTS = 16  # at a time, where fsspec has no call for many
BLOCK = 8 << 20  # bytes asked for ahead of a reader

_S3_OPTIONS: dict[str, Any] = {
    "use_listings_cache": False,  # other processes write too
    "skip_instance_cache": True,  # one of another endpoint
    "config_kwargs": {
        "connect_timeout": 5,
        "read_timeout": 30,
        "retries": {"total_max_attempts": 2},
        "max_pool_connections": REQUESTS,
    },
}
_ATTEMPTS = 2  # of s3fs, each with those of the line above: a bucket that hangs is given up in two minutes
_WRITTEN = ("LastModified", "last_modified", "mtime", "updated", "created")


class Remote:
    """Files below a URL.

    Args:
        url: such as `s3://bucket/prefix`; a scheme that fsspec knows.

    Raises:
        StorageError: the scheme is unknown, its library is missing, or an `s3://` URL names no bucket.
    """

    def __init__(self, url: str) -> None:
        self.place = scrub(url)
        self._is_s3 = url.startswith(("s3://", "s3a://"))
        if self._is_s3:
            require_extra("s3", "A storage in S3", StorageError)
        options = _S3_OPTIONS if self._is_s3 else {}
        try:
            self._fs, root = fsspec.url_to_fs(url, **options)
        except (ValueError, ImportError) as error:
            raise StorageError(
                f"Expected a folder, or a URL such as s3://bucket/prefix, received {self.place}: "
                f"{scrub(str(error))}. Correct the storage's URL in the settings."
            ) from error
        self._root = str(root).rstrip("/")
        if self._is_s3:
            self._fs.retries = _ATTEMPTS
        if self._is_s3 and not self._root:
            raise StorageError(
                f"Expected a bucket in the storage's URL, as in s3://bucket/prefix, received {self.place}. "
                "Correct it in the settings."
            )
        self.faults: tuple[type[Exception], ...] = (OSError, *(_s3_faults() if self._is_s3 else ()))

    def require(self, key: str) -> None:
        """Nothing: a URL that names another bucket is another storage from the start."""

    def fault(self, error: Exception) -> StorageError:
        """What the bucket, or the way to it, reports."""
        return remote_fault(self.place, error)

    def put_many(self, items: Mapping[str, Content]) -> None:
        """Write files, several at a time."""
        blobs = {self._path(key): data for key, data in items.items() if isinstance(data, bytes)}
        files = {self._path(key): path for key, path in items.items() if isinstance(path, Path)}
        _check_files(files.values())
        with self._told():
            if blobs:
                self._fs.pipe(blobs)
            spread(lambda path: self._fs.put_file(str(files[path]), path), files, REQUESTS)

    def get(self, key: str) -> bytes:
        """Read a file."""
        with self._told(key):
            return bytes(self._fs.cat_file(self._path(key)))

    def open(self, key: str) -> BinaryIO:
        """Open a file; it is read in blocks, one ahead."""
        with self._told(key):
            return cast(BinaryIO, self._fs.open(self._path(key), "rb", block_size=BLOCK))

    def size(self, key: str) -> int | None:
        """Ask for a file's size."""
        with self._told():
            try:
                about = self._fs.info(self._path(key))
            except FileNotFoundError:
                return None
        return int(about["size"]) if about["type"] == "file" else None

    def fetch_many(self, items: Mapping[str, Path], *, link: bool) -> None:
        """Download files, several at a time."""
        spread(lambda key: self._fetch(key, items[key]), items, REQUESTS)

    def delete_many(self, keys: Iterable[str]) -> None:
        """Delete files, several at a time."""
        with self._told():
            spread(self._delete, keys, REQUESTS)

    def delete_stale(self, key: str, before: datetime) -> bool:
        """Look at a file and delete it; a writer between the two loses."""
        with self._told():
            try:
                if self._written(self._fs.info(self._path(key))) >= before:
                    return False
            except FileNotFoundError:
                return True
            self._delete(key)
        return True

    def keys(self, prefix: str) -> Iterator[Entry]:
        """List folder by folder, so that memory does not grow with the number of files."""
        start = self._path(prefix) if prefix else self._root
        with self._told():
            for _, _, files in self._fs.walk(start, detail=True, on_error=_unless_missing):
                for name, about in sorted(files.items()):
                    if name:  # S3's consoles make empty objects for folders
                        yield Entry(self._key(about["name"]), int(about["size"]), self._written(about))

    def sweep(self, older_than: timedelta) -> int:
        """Give up uploads in parts that were begun and not ended; only S3 keeps them."""
        if not self._is_s3:
            return 0
        bucket, _, prefix = self._root.partition("/")
        before = datetime.now(UTC) - older_than
        with self._told():
            stale = [
                upload
                for upload in self._fs.list_multipart_uploads(bucket)
                if upload["Initiated"] < before and f"{upload['Key']}/".startswith(prefix and f"{prefix}/")
            ]
            for upload in stale:
                self._fs.call_s3(
                    "abort_multipart_upload", Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                )
        return len(stale)

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}"

    def _key(self, path: str) -> str:
        return path.removeprefix(f"{self._root}/")

    def _delete(self, key: str) -> None:
        try:
            self._fs.rm_file(self._path(key))
        except FileNotFoundError:
            return

    def _fetch(self, key: str, path: Path) -> None:
        with staged_file(path) as staged, self._told(key):
            try:
                self._fs.get_file(self._path(key), str(staged))
            except OSError as error:
                raise (disk_fault(str(path.parent), error) if is_full(error) else error) from error

    def _written(self, about: Mapping[str, Any]) -> datetime:
        moment = next((about[name] for name in _WRITTEN if about.get(name)), None)
        if moment is None:
            moment = self._fs.modified(about["name"])
        if isinstance(moment, int | float):
            moment = datetime.fromtimestamp(moment, UTC)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return cast(datetime, aware.astimezone(UTC))

    @contextmanager
    def _told(self, key: str = "") -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise (not_there(self.place, key) if key else self.fault(error)) from error
        except self.faults as error:
            raise self.fault(error) from error


def _check_files(paths: Iterable[Path]) -> None:
    for path in paths:
        if not path.is_file():
            raise StorageError(f"Expected the file {path}, received none. Put it back, then try again.")


def _unless_missing(error: Exception) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _s3_faults() -> tuple[type[Exception], ...]:
    from aiohttp import ClientError as TransportError
    from botocore.exceptions import BotoCoreError, ClientError

    return BotoCoreError, ClientError, TransportError
