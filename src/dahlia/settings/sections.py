"""The sections that both programs read, and the one that only the prediction service reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from dahlia.http.allow_list import AllowList, read_allow_list
from dahlia.http.connections import PROXIES, Limits, read_proxies
from dahlia.http.fetch import Reach
from dahlia.http.origins import EVERY, NONE
from dahlia.settings.values import (
    FetchedHosts,
    File,
    Folders,
    HostPatterns,
    InService,
    Key,
    PageOrigins,
    Protects,
    Proxies,
    PublicUrl,
    RuntimeSetting,
    Secret,
    Section,
    number,
)


class ServerSection(Section):
    """Where the server listens, and where it keeps its own state."""

    # In the current folder, as a project's own state is: it is easy to find, a backup or a
    # second server is a folder, and nothing lies hidden in a home directory.
    home: File = Field(
        default=Path("dahlia-server"),
        description="folder for the server's state; relative to the current folder",
    )
    host: str = Field(default="127.0.0.1", min_length=1, description="address to listen on; 0.0.0.0 for all")
    port: int = Field(default=3000, ge=0, le=65535, description="port to listen on; 0 for any that is free")
    public_url: PublicUrl | None = Field(
        default=None,
        description="address under which clients reach the server, for links (default: the request's)",
    )
    tls_cert: File | None = Field(
        default=None,
        description="PEM file of the https certificate and of the intermediate ones (default: none, "
        "the server answers http)",
    )
    tls_key: File | None = Field(default=None, description="PEM file of its private key, not encrypted")
    # 64 images of 6 MB in base64 are 512 MB; tags, names and JSON come on top.
    max_body_mb: int = number(520, "megabytes that one request may have")
    threads: int = number(16, "requests worked on at once; more wait")
    max_connections: Annotated[int, InService("DAHLIA_MAX_CONNECTIONS")] = number(
        1000,
        "connections of a process at once; fewer if it may not open so many files; more get 503",
    )
    max_connections_per_address: Annotated[int, InService("DAHLIA_MAX_CONNECTIONS_PER_ADDRESS")] = number(
        100, "connections of one address; more get 429"
    )
    proxies: Annotated[Proxies, InService("DAHLIA_PROXIES"), Protects()] = Field(
        default=PROXIES,
        description="addresses or networks of reverse proxies; each may have nine tenths of all",
    )
    header_seconds: Annotated[float, InService("DAHLIA_HEADER_SECONDS")] = Field(
        default=15, gt=0, description="seconds in which the header of a request must arrive"
    )
    stalled_seconds: Annotated[float, InService("DAHLIA_STALLED_SECONDS")] = Field(
        default=60,
        gt=0,
        description="seconds for which a body may pause, or a client that reads its answer",
    )
    allowed_hosts: HostPatterns = Field(
        default="",
        description="further names under which clients may reach the server, such as dahlia.example, "
        "*.example.com; * for any; those of this machine and of public_url always may",
    )
    min_free_mb: int = number(
        256,
        "megabytes that each of the server's disks should have free; below it nothing is added, so that "
        "deleting has room; 0 for no floor",
        least=0,
    )

    @property
    def connection_limits(self) -> Limits:
        """What a process grants to connections."""
        return Limits(
            connections=self.max_connections,
            per_address=self.max_connections_per_address,
            proxies=read_proxies(self.proxies),
            header_seconds=self.header_seconds,
            stalled_seconds=self.stalled_seconds,
        )


class LimitsSection(Section):
    """How much is accepted; the defaults are those of Custom Vision's standard tier (S0)."""

    projects: int = number(100, "projects on this server")
    images_per_project: int = number(100_000, "images in a project")
    tags_per_project: int = number(500, "tags in a project")
    iterations_per_project: int = number(20, "iterations that a project keeps")
    min_tags: int = number(2, "tags that training a classifier needs")
    min_images_per_tag: int = number(5, "images of a tag that training a classifier needs")
    min_boxed_images_per_tag: int = number(15, "images with regions of a tag that training a detector needs")
    max_image_mb: float = Field(default=6, gt=0, description="megabytes of an image to train on or to test")
    max_prediction_mb: float = Field(default=4, gt=0, description="megabytes of an image to predict")
    max_edge: int = number(10_240, "pixels of an image's longer side")
    max_aspect: float = number(25, "largest ratio of the longer side to the shorter")
    regions_per_image: int = number(300, "regions on an image")
    tags_per_image: int = number(100, "tags on an image")
    batch_images: int = number(64, "images in one call that uploads, or that tags")
    batch_tags: int = number(20, "tags in one call that uploads, tags or filters")
    batch_regions: int = number(64, "regions in one call")
    read_ids: int = number(256, "images in one call that reads by id or changes metadata")
    page: int = number(256, "images on a page")
    suggestions: int = number(64, "images in one call that asks for suggestions")
    delete_images: int = number(256, "images in one call that deletes them")
    delete_predictions: int = number(64, "stored predictions in one call that deletes them")
    query_tags: int = number(2, "tags by which one query filters predictions")
    metadata_pairs: int = number(10, "metadata entries of an image", least=0)
    metadata_key: int = number(128, "characters of a metadata key")
    metadata_value: int = number(256, "characters of a metadata value")
    decode_memory_mb: Annotated[int, InService("DAHLIA_DECODE_MEMORY")] = number(
        0,
        "megabytes that decoding images may take, all processes together; 0 for a quarter of the machine's "
        "memory",
        least=0,
    )


class SecuritySection(Section):
    """What the server allows, and how it signs links."""

    url_fetch: Annotated[Reach, InService("DAHLIA_URL_FETCH"), Protects()] = Field(
        default="public",
        description="addresses from which images are fetched: public, any, or off for none",
    )
    # Without a default, as that of the two programs differs.
    prediction_origins: Annotated[PageOrigins | None, InService("DAHLIA_ORIGINS"), Protects()] = Field(
        default=None,
        description="origins whose web pages may request predictions, such as https://app.example, "
        "https://*.app.example, loopback for pages of this machine; * for all, none for none (default: *; "
        "loopback in a prediction service without a key, which takes * from DAHLIA_ORIGINS alone)",
    )
    training_origins: PageOrigins = Field(
        default=NONE, description="origins whose web pages may call the training API, in the same format"
    )
    url_fetch_allow: Annotated[FetchedHosts, InService("DAHLIA_URL_FETCH_ALLOW")] = Field(
        default="",
        description="further allowed hosts: host names, *.suffix, addresses, networks; comma-separated",
    )
    link_hours: float = Field(default=24, gt=0, description="hours for which a link to an image is valid")
    secret: Annotated[Secret | None, Protects()] = Field(
        default=None,
        description="secret that signs links, 32 characters or more (default: read from secret_file)",
    )
    secret_file: File | None = Field(
        default=None,
        description="file with that secret, the same for all servers of a database (default: "
        "server.home/secret, made at the first start)",
    )

    @property
    def pages(self) -> str:
        """What `prediction_origins` is where every prediction needs a key."""
        return EVERY if self.prediction_origins is None else self.prediction_origins

    @property
    def allow_list(self) -> AllowList:
        """What `url_fetch_allow` lists."""
        return read_allow_list(
            self.url_fetch_allow, "security.url_fetch_allow (DAHLIA_SECURITY_URL_FETCH_ALLOW)"
        )


class PredictionsSection(Section):
    """How long stored predictions are kept."""

    days: Annotated[int, InService("DAHLIA_PREDICTIONS_DAYS")] = number(
        30, "days for which stored predictions are kept"
    )
    max_mb: Annotated[int, InService("DAHLIA_PREDICTIONS_MB")] = number(
        10_240, "megabytes that stored predictions may take; the oldest are deleted"
    )


class InferenceSection(Section):
    """How predictions are computed; the former names `[prediction]`, `DAHLIA_PREDICTION_...` still work."""

    threads: Annotated[int, InService("DAHLIA_THREADS")] = number(
        0,
        "predictions under way at once; 0 for four per core, divided among the service's processes",
        least=0,
    )
    model_threads: Annotated[int, InService("DAHLIA_MODEL_THREADS")] = number(
        0,
        "threads of one prediction; 0 for one, and for all cores, at most 4, while no other is under way",
        least=0,
    )
    model_memory_mb: Annotated[int, InService("DAHLIA_MODEL_MEMORY")] = number(
        1024, "megabytes that loaded models may take in a process; the oldest are unloaded"
    )
    runtime: Annotated[RuntimeSetting, InService("DAHLIA_RUNTIME")] = Field(
        default="auto",
        description="what computes predictions: auto for the fastest here that passes its proof, "
        "else onnxruntime, openvino, openvino-bfloat16, onnxruntime-int8 or openvino-int8",
    )
    max_concurrency: Annotated[int, InService("DAHLIA_MAX_CONCURRENCY")] = number(
        64, "predictions admitted at once in a process; more get 429"
    )


class ServiceSection(Section):
    """What only the prediction service reads (`bentoml serve`)."""

    prediction_key: Annotated[Key | None, InService("DAHLIA_PREDICTION_KEY"), Protects()] = Field(
        default=None, description="key that every prediction needs (default: none is needed)"
    )
    workers: Annotated[int | None, InService("DAHLIA_WORKERS")] = Field(
        default=None,
        ge=1,
        description="processes; each holds the models that it uses (default: one per core, at most 4)",
    )
    poll_seconds: Annotated[float, InService("DAHLIA_POLL_SECONDS")] = Field(
        default=1, gt=0, description="seconds between two checks of the registry"
    )
    predictions_folder: Annotated[Path | None, Field(strict=False), InService("DAHLIA_PREDICTIONS")] = Field(
        default=None,
        description="folder where predictions are stored (default: a project's .dahlia/predictions; a Bento "
        "stores none)",
    )
    projects: Annotated[Folders, InService("DAHLIA_PROJECTS")] = Field(
        default=(),
        description="folders of several projects or published models, in a variable as in a PATH (default: "
        "the current folder)",
    )
