"""The sections of the server's settings: what each may say, and what it says where nobody says anything."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, cast
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from dahlia.errors import ConfigError
from dahlia.server.host_names import is_pattern, listed
from dahlia.server.secret_url import MASK, SecretText, SecretUrl
from dahlia.serving.http.allow_list import AllowList, read_allow_list
from dahlia.serving.http.fetch import Reach
from dahlia.serving.http.limits import PROXIES, read_proxies
from dahlia.serving.http.origins import EVERY, NONE, Origins

_SECRET_LENGTH = 32
_DATABASE = re.compile(r"(sqlite|postgres|postgresql)(\+\w+)?://.*")


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def _whole(url: SecretUrl) -> SecretUrl:
    if not url.reveal():
        raise PydanticCustomError("url", "expected a URL, received an empty text")
    if url.is_masked:
        raise PydanticCustomError("url", f"its password is masked as {MASK}; write the password itself")
    return url.anchored(Path.cwd())


def _database(url: SecretUrl) -> SecretUrl:
    if not _DATABASE.fullmatch(url.reveal()):
        raise PydanticCustomError(
            "url", "expected sqlite:///dahlia.db or postgresql://user:password@host/name, or the like"
        )
    return url


def _tracking(url: SecretUrl) -> SecretUrl:
    if "://" not in url.reveal():
        raise PydanticCustomError(
            "url", "expected sqlite:///mlflow.db or https://mlflow.example, or the like"
        )
    return url


def _origin(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise PydanticCustomError("url", "expected an address such as https://dahlia.example, without a user")
    if parts.query or parts.fragment:
        raise PydanticCustomError("url", "expected an address that ends with its path, without ? and #")
    return url.rstrip("/")


def _networks(text: str) -> str:
    try:
        read_proxies(text)
    except ConfigError as error:
        raise PydanticCustomError("proxies", "{reason}", {"reason": str(error)}) from None
    return text


def _joined(names: object) -> object:
    """A list of names, as a file may have it, as the one text that a variable has."""
    is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return ", ".join(cast(list[str], names)) if is_list else names


def _hosts(names: str) -> str:
    for name in listed(names):
        if not is_pattern(name):
            raise PydanticCustomError(
                "hosts",
                "expected names without scheme and port, comma-joined, such as dahlia.example, *.example.com",
            )
    return names


def _origins(text: str) -> str:
    try:
        Origins.read(text)
    except ConfigError as error:
        raise PydanticCustomError("origins", "{reason}", {"reason": str(error).removesuffix(".")}) from None
    return text


def _fetchable(text: str) -> str:
    try:
        read_allow_list(text, "security.url_fetch_allow")
    except ConfigError as error:
        reason = str(error).removesuffix(".")
        raise PydanticCustomError("hosts", "{reason}", {"reason": reason}) from None
    return text


def _secret(text: SecretText) -> SecretText:
    if text.is_masked:
        raise PydanticCustomError("secret", f"it is masked as {MASK}; write the secret itself")
    if len(text.reveal()) < _SECRET_LENGTH:
        raise PydanticCustomError(
            "secret",
            f"expected {_SECRET_LENGTH} characters or more, received fewer; `openssl rand -hex 32` makes one",
        )
    return text


def _number(default: float, meaning: str, least: int = 1) -> Any:
    return Field(default=default, ge=least, description=meaning)


class Section(BaseModel):
    """A part of the settings; unknown keys are refused."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        validate_default=True,
        hide_input_in_errors=True,
    )


class ServerSection(Section):
    """Where the server listens, and where it keeps its own state."""

    # In the current folder, as a project's own state is: it is easy to find, a backup or a
    # second server is a folder, and nothing lies hidden in a home directory.
    home: Annotated[Path, Field(strict=False), AfterValidator(_absolute)] = Field(
        default=Path("dahlia-server"),
        description="folder for the server's state; relative to the current folder",
    )
    host: str = Field(default="127.0.0.1", min_length=1, description="address to listen on; 0.0.0.0 for all")
    port: int = Field(default=3000, ge=0, le=65535, description="port to listen on; 0 for any that is free")
    public_url: Annotated[str, AfterValidator(_origin)] | None = Field(
        default=None,
        description="address under which clients reach the server, for links (default: the request's)",
    )
    tls_cert: Annotated[Path, Field(strict=False), AfterValidator(_absolute)] | None = Field(
        default=None,
        description="PEM file of the https certificate and of the intermediate ones (default: none, "
        "the server answers http)",
    )
    tls_key: Annotated[Path, Field(strict=False), AfterValidator(_absolute)] | None = Field(
        default=None, description="PEM file of its private key, not encrypted"
    )
    # 64 images of 6 MB in base64 are 512 MB; tags, names and JSON come on top.
    max_body_mb: int = _number(520, "megabytes that one request may have")
    threads: int = _number(16, "requests worked on at once; more wait")
    max_connections: int = _number(
        1000, "connections at once; fewer if the process may not open so many files; more get 503"
    )
    max_connections_per_address: int = _number(100, "connections of one address; more get 429")
    proxies: Annotated[str, AfterValidator(_networks)] = Field(
        default=PROXIES,
        description="addresses or networks of reverse proxies; each may have nine tenths of all",
    )
    header_seconds: float = Field(
        default=15, gt=0, description="seconds in which the header of a request must arrive"
    )
    stalled_seconds: float = Field(
        default=60,
        gt=0,
        description="seconds for which a body may pause, or a client that reads its answer",
    )
    allowed_hosts: Annotated[str, BeforeValidator(_joined), AfterValidator(_hosts)] = Field(
        default="",
        description="further names under which clients may reach the server, such as dahlia.example, "
        "*.example.com; * for any; those of this machine and of public_url always may",
    )
    min_free_mb: int = _number(
        256,
        "megabytes that each of the server's disks should have free; below it nothing is added, so that "
        "deleting has room; 0 for no floor",
        least=0,
    )


class DatabaseSection(Section):
    """Where rows are kept."""

    url: Annotated[SecretUrl, AfterValidator(_database), AfterValidator(_whole)] | None = Field(
        default=None,
        description="sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME (default: a SQLite file in "
        "server.home)",
    )


class StorageSection(Section):
    """Where images, models and exports are kept."""

    url: Annotated[SecretUrl, AfterValidator(_whole)] | None = Field(
        default=None, description="a folder, or a URL such as s3://BUCKET/PREFIX (default: server.home/files)"
    )


class CleaningSection(Section):
    """When files that nothing needs any more are deleted."""

    deleted_hours: float = _number(24, "hours for which files of deleted images and iterations are kept", 0)
    orphan_days: float = _number(
        30, "days for which a file that belongs to nothing is kept after it was found", 30
    )
    search_hours: float = Field(default=24, gt=0, description="hours between two searches for such files")
    every_seconds: float = Field(default=60, gt=0, description="seconds between two checks for deleted rows")
    settling_minutes: float = Field(
        default=10,
        ge=0,
        description="minutes for which new files are never deleted: an upload writes files before their rows",
    )


class TrackingSection(Section):
    """Where MLflow keeps iterations."""

    uri: Annotated[SecretUrl, AfterValidator(_tracking), AfterValidator(_whole)] | None = Field(
        default=None,
        description="MLflow's tracking URI: sqlite:///FILE, postgresql+psycopg://... or https://... "
        "(default: a SQLite file in server.home)",
    )


class JobsSection(Section):
    """Who trains and exports."""

    workers: int = _number(
        1, "worker processes that the server starts for short jobs; 0 if all run elsewhere", least=0
    )
    long_workers: int | None = Field(
        default=None,
        ge=0,
        description="worker processes beside them for long jobs; 0 for none: then the others take all, short "
        "ones first (default: one if there is enough memory)",
    )
    short_seconds: float = _number(
        120, "expected seconds up to which a training is short; Advanced ones are always long", 0
    )
    long_niceness: int = Field(
        default=10,
        ge=0,
        le=19,
        description="niceness of long jobs, which lets others have the processors; 0 for none",
    )
    warm: bool = Field(default=True, description="whether a worker keeps torch loaded between short jobs")
    lease_seconds: float = _number(
        15, "seconds without a sign of life after which another worker takes the job"
    )
    poll_seconds: float = Field(
        default=0.2, gt=0, le=60, description="seconds after which an idle worker looks for jobs again"
    )
    training_timeout_hours: float = Field(default=24, gt=0, description="hours after which a training fails")


class LimitsSection(Section):
    """How much is accepted; the defaults are those of Custom Vision's standard tier (S0)."""

    projects: int = _number(100, "projects on this server")
    images_per_project: int = _number(100_000, "images in a project")
    tags_per_project: int = _number(500, "tags in a project")
    iterations_per_project: int = _number(20, "iterations that a project keeps")
    min_tags: int = _number(2, "tags that training a classifier needs")
    min_images_per_tag: int = _number(5, "images of a tag that training a classifier needs")
    max_image_mb: float = Field(default=6, gt=0, description="megabytes of an image to train on or to test")
    max_prediction_mb: float = Field(default=4, gt=0, description="megabytes of an image to predict")
    max_edge: int = _number(10_240, "pixels of an image's longer side")
    max_aspect: float = _number(25, "largest ratio of the longer side to the shorter")
    regions_per_image: int = _number(300, "regions on an image")
    tags_per_image: int = _number(100, "tags on an image")
    batch_images: int = _number(64, "images in one call that uploads, or that tags")
    batch_tags: int = _number(20, "tags in one call that uploads, tags or filters")
    batch_regions: int = _number(64, "regions in one call")
    read_ids: int = _number(256, "images in one call that reads by id or changes metadata")
    page: int = _number(256, "images on a page")
    suggestions: int = _number(64, "images in one call that asks for suggestions")
    delete_images: int = _number(256, "images in one call that deletes them")
    delete_predictions: int = _number(64, "stored predictions in one call that deletes them")
    query_tags: int = _number(2, "tags by which one query filters predictions")
    metadata_pairs: int = _number(10, "metadata entries of an image", least=0)
    metadata_key: int = _number(128, "characters of a metadata key")
    metadata_value: int = _number(256, "characters of a metadata value")
    decode_memory_mb: int = _number(
        0,
        "megabytes that decoding images may take, all processes of the server together; 0 for a quarter of "
        "the machine's memory",
        least=0,
    )


class RatesSection(Section):
    """How often a key may call; off by default."""

    training_calls: float = _number(0, "training calls per second and key; 0 for no limit (S0: 10)", 0)
    train_project: float = _number(0, "training starts per second and key; 0 for no limit (S0: 2)", 0)
    predictions_stored: float = _number(
        0, "predictions that are stored, per second and key; 0 for no limit (S0: 10)", 0
    )
    predictions: float = _number(
        0, "predictions that are not stored, per second and key; 0 for no limit (S0: 20)", 0
    )


class SecuritySection(Section):
    """What the server allows, and how it signs links."""

    url_fetch: Reach = Field(
        default="public",
        description="addresses from which images are fetched: public, any, or off for none",
    )
    prediction_origins: Annotated[str, BeforeValidator(_joined), AfterValidator(_origins)] = Field(
        default=EVERY,
        description="origins whose web pages may request predictions, with a key, such as "
        "https://app.example, https://*.app.example, loopback for pages of this machine; * for all, none "
        "for none",
    )
    training_origins: Annotated[str, BeforeValidator(_joined), AfterValidator(_origins)] = Field(
        default=NONE, description="origins whose web pages may call the training API, in the same format"
    )
    url_fetch_allow: Annotated[str, BeforeValidator(_joined), AfterValidator(_fetchable)] = Field(
        default="",
        description="further allowed hosts: host names, *.suffix, addresses, networks; comma-separated",
    )
    link_hours: float = Field(default=24, gt=0, description="hours for which a link to an image is valid")
    secret: Annotated[SecretText, AfterValidator(_secret)] | None = Field(
        default=None,
        description="secret that signs links, 32 characters or more (default: read from secret_file)",
    )
    secret_file: Annotated[Path, Field(strict=False), AfterValidator(_absolute)] | None = Field(
        default=None,
        description="file with that secret, the same for all servers of a database (default: "
        "server.home/secret, made at the first start)",
    )

    @property
    def allow_list(self) -> AllowList:
        """What `url_fetch_allow` lists."""
        return read_allow_list(
            self.url_fetch_allow, "security.url_fetch_allow (DAHLIA_SECURITY_URL_FETCH_ALLOW)"
        )


class PredictionsSection(Section):
    """How long stored predictions are kept."""

    days: int = _number(30, "days for which stored predictions are kept")
    max_mb: int = _number(10_240, "megabytes that stored predictions may take; the oldest are deleted")


class PredictionSection(Section):
    """How predictions are computed."""

    threads: int = _number(0, "predictions computed at once; 0 for two per core", least=0)
    model_threads: int = _number(1, "threads of one prediction")
    model_memory_mb: int = _number(1024, "megabytes that loaded models may take; the oldest are unloaded")
    max_concurrency: int = _number(64, "predictions admitted at once; more get 429")


class BackupSection(Section):
    """When the server backs itself up, and how many backups it keeps."""

    # Off as long as nobody says otherwise: each backup takes as much room as the server's files, and only the
    # operator knows a disk that has it and does not fail together with the server's own.
    every: float = Field(
        default=0, ge=0, description="hours between two backups that the server makes itself; 0 for none"
    )
    keep: int = _number(7, "backups that are kept; older ones are deleted after a new one was verified")
    folder: Annotated[Path, Field(strict=False), AfterValidator(_absolute)] | None = Field(
        default=None,
        description="folder for them, best on another disk (default: server.home/backups)",
    )
