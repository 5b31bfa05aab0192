"""Pretrained weights: a record for each choice, and the files of those that a model hub has.

A record says what weights are, how they were trained, and what they may be used for. Files come from the
hub or its local cache, within bounded time, and are checked against their SHA-256.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from dahlia.config import nearest
from dahlia.errors import WeightsError
from dahlia.files import sha256_of

if TYPE_CHECKING:
    from timm.models import PretrainedCfg


Triple = tuple[float, float, float]
Normalisation = tuple[Triple, Triple]
FOLDER = Path(__file__).parent / "bundled"
_HUB_FILE = "model.safetensors"


@dataclass(frozen=True)
class Pretrained:
    """Weights of one network.

    Attributes:
        architecture: timm's name of the network.
        tag: which weights of it.
        repository: on the model hub; empty for weights that the package ships.
        file: in the repository, or in the package's `modeling/bundled`.
        size: edge of the photos that it was trained on, in pixels.
        mean: of red, green and blue, 0 to 1, as it was trained.
        std: the standard deviations likewise.
        licence: of the weights.
        sha256: of the file; `None` where the hub states it.
    """

    architecture: str
    tag: str
    repository: str
    file: str
    size: int
    mean: Triple
    std: Triple
    licence: str
    sha256: str | None

    @property
    def source(self) -> str:
        """Where it comes from, without a path."""
        return f"hub {self.repository}" if self.repository else f"bundled {self.architecture}"

    @property
    def normalisation(self) -> Normalisation:
        """Mean and standard deviation."""
        return self.mean, self.std


BUNDLED = {
    record.architecture: record
    for record in (
        Pretrained(
            architecture="mobilenetv4_conv_small",
            tag="dahlia",
            repository="",
            file="mobilenetv4_conv_small.safetensors",
            size=128,
            mean=(0.485, 0.456, 0.406),
            std=(0.229, 0.224, 0.225),
            licence="MIT",
            sha256="94b82fcdb9b1644020c568ab8e02d2793bc949da082f5683e0d5c613d4991c7e",
        ),
    )
}

# Small to large; each takes photos of any size and may be used for anything. timm knows the rest of each.
RECOMMENDED = (
    "mobilenetv4_conv_small.e2400_r224_in1k",
    "mobilenetv3_large_100.ra_in1k",
    "mobilenetv4_conv_medium.e500_r256_in1k",
)


def hub_record(architecture: str, tag: str = "") -> Pretrained:
    """The record of weights on the model hub, as timm describes them.

    Args:
        architecture: timm's name.
        tag: which weights; timm's default if empty.

    Raises:
        WeightsError: timm knows none, or no such tag; the nearest tags are named.
    """
    config = _config(architecture, tag)
    file = str(config.hf_hub_filename or "")
    mean, std = as_normalisation(config.mean, config.std)
    return Pretrained(
        architecture=architecture,
        tag=str(config.tag or ""),
        repository=str(config.hf_hub_id),
        file=file if file.endswith(".safetensors") else _HUB_FILE,
        size=int(config.input_size[-1]),
        mean=mean,
        std=std,
        licence=str(config.license or "not stated"),
        sha256=None,
    )


def as_normalisation(mean: Iterable[float], std: Iterable[float]) -> Normalisation:
    """Mean and standard deviation of red, green and blue, 0 to 1, as timm lists them."""
    (red, green, blue), (red_spread, green_spread, blue_spread) = mean, std
    return (red, green, blue), (red_spread, green_spread, blue_spread)


def _config(architecture: str, tag: str) -> PretrainedCfg:
    import timm

    config = timm.get_pretrained_cfg(architecture)
    if config is None or not config.hf_hub_id:
        raise WeightsError(
            f"timm knows no pretrained weights of {architecture} on the hub. Give `weights` a "
            f".safetensors file, or choose another architecture, such as {RECOMMENDED[0].partition('.')[0]}."
        )
    if not tag:
        return config
    tags = [name.partition(".")[2] for name in timm.list_pretrained(f"{architecture}.*")]
    tagged = timm.get_pretrained_cfg(f"{architecture}.{tag}") if tag in tags else None
    if tagged is None:
        raise WeightsError(
            f"timm knows no weights {tag!r} of {architecture}{nearest(tag, tags)} Correct `weights`."
        )
    return tagged


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
