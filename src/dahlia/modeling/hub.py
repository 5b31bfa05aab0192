"""Files of pretrained weights from the model hub, or from its local cache.

They come within bounded time, and are checked against their SHA-256.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any, TypeVar

from dahlia.errors import WeightsError
from dahlia.files import sha256_of
from dahlia.modeling.pretrained import Pretrained

ANSWER_SECONDS = 5.0
STANDSTILL_SECONDS = 120.0  # the client reports every 10 MiB only, so this allows for slow lines

_SHA256 = re.compile(r"[0-9a-f]{64}")
_PICKLED = "pytorch_model.bin"
_T = TypeVar("_T")


class HubError(Exception):
    """Why the hub gave nothing, as a phrase that is alike for alike causes."""


def fetch(record: Pretrained) -> Path:
    """The file of a record: from the hub's local cache, else downloaded into it.

    A hub that says nothing costs `ANSWER_SECONDS`, whatever it is that hangs: the name's look-up, a
    connection, a proxy. A download may take long, but not stand still for `STANDSTILL_SECONDS`.

    Raises:
        HubError: the hub cannot be reached, does not have it, or broke off.
        WeightsError: the file's SHA-256 is another than the hub's. In a cache without links nothing tells
            what it was, and a file found there is taken as it is.
    """
    cached = _cached(record.repository, record.file)
    if cached is not None:
        _verify_cached(record, cached)
        return cached
    try:
        stated = _stated_sha256(record)
    except HubError as error:
        if _cached(record.repository, _PICKLED) is None:
            raise
        raise HubError(f"{error}, and its local cache has only {_PICKLED}, which is not read") from error
    path = _download(record)
    _verify_downloaded(record, path, _name_of_blob(path) or stated)
    return path


def _cached(repository: str, file: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, file)
    return Path(found) if isinstance(found, str) else None


def _stated_sha256(record: Pretrained) -> str:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    url = hf_hub_url(record.repository, record.file)
    asked = _start(lambda: get_hf_file_metadata(url, timeout=ANSWER_SECONDS))
    try:
        answer = asked.result(ANSWER_SECONDS)
    except _hub_errors() as error:
        raise HubError(_reason(error, record)) from error
    if not answer.commit_hash or not _SHA256.fullmatch(answer.etag or ""):
        raise HubError("what answered is no model hub: it stated no commit and SHA-256")
    return str(answer.etag)


def _download(record: Pretrained) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils.tqdm import tqdm

    moved = threading.Event()

    class Progress(tqdm):
        def update(self, n: float | None = 1) -> Any:
            moved.set()
            return super().update(n)

    got = _start(
        lambda: hf_hub_download(
            record.repository, record.file, etag_timeout=ANSWER_SECONDS, tqdm_class=Progress
        )
    )
    try:
        while not wait([got], STANDSTILL_SECONDS).done:
            if not moved.is_set():
                raise HubError(f"the download stood still for {STANDSTILL_SECONDS:g} s")
            moved.clear()
        return Path(got.result())
    except _hub_errors(RuntimeError, ValueError) as error:  # what its transfer library raises
        raise HubError(f"the download broke off ({type(error).__name__})") from error


def _start(call: Callable[[], _T]) -> Future[_T]:
    # The client bounds each single read, and neither name look-ups nor all of its retries together. A
    # thread can be left behind; being a daemon it does not keep the process.
    answer: Future[_T] = Future()

    def work() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:  # noqa: BLE001 (handed to the waiting threads)
            answer.set_exception(error)

    threading.Thread(target=work, name="model hub", daemon=True).start()
    return answer


def _hub_errors(*more: type[Exception]) -> tuple[type[Exception], ...]:
    # The hub's client lets errors of its HTTP library through, and which library differs by version.
    from huggingface_hub.errors import HfHubHTTPError

    kinds = [kind for kind in HfHubHTTPError.__mro__ if issubclass(kind, Exception)]
    return (OSError, *more, *(kind for kind in kinds if kind.__name__ == "HTTPError"))


def _reason(error: Exception, record: Pretrained) -> str:
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HfHubHTTPError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    kinds = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(error, OfflineModeIsEnabled):
        return "the hub's client is in offline mode (HF_HUB_OFFLINE)"
    if kinds & {"TimeoutError", "TimeoutException"}:
        return f"the hub did not answer within {ANSWER_SECONDS:g} s"
    if isinstance(error, EntryNotFoundError):
        return f"{record.repository} has no {record.file}, and pickled files like {_PICKLED} are not read"
    if isinstance(error, RepositoryNotFoundError):
        return f"the hub has no {record.repository}, or does not show it"
    if isinstance(error, HfHubHTTPError):
        return f"the hub answered with status {error.response.status_code}"
    return f"the hub could not be reached ({type(error).__name__})"


def _name_of_blob(path: Path) -> str | None:
    # One step of the link only: the blob may itself be a link into a store with names of another kind.
    name = path.readlink().name if path.is_symlink() else ""
    return name if _SHA256.fullmatch(name) else None


def _verify_cached(record: Pretrained, path: Path) -> None:
    stated = record.sha256 or _name_of_blob(path)
    if stated is not None and (found := sha256_of(path)) != stated:
        raise WeightsError(
            f"{path} in the hub's local cache is damaged: expected SHA-256 {stated}, found {found}. Delete "
            "it and the file that it links to, then run again; or use `weights: bundled`."
        )


def _verify_downloaded(record: Pretrained, path: Path, stated: str) -> None:
    expected, found = record.sha256 or stated, sha256_of(path)
    if found == expected:
        return
    path.resolve().unlink()
    path.unlink(missing_ok=True)
    raise WeightsError(
        f"{record.repository} arrived damaged and was dropped: expected SHA-256 {expected}, "
        f"received {found}. Run again; if it stays so, something on the way changes files: use another "
        "network, or `weights: bundled`."
    )
