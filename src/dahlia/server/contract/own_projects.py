"""What the server sends and takes of projects beyond Custom Vision, such as domains in words and usage."""

from __future__ import annotations

from pydantic import Field

from dahlia.export.descriptions import description_of
from dahlia.export.formats import FORMATS, RAW, Format
from dahlia.server.contract.domain_texts import CHOOSE, WITHDRAWN
from dahlia.server.contract.domains import DomainRecord
from dahlia.server.contract.enums import DomainType
from dahlia.server.contract.fields import Answer, Body


class ExportForm(Answer):
    """A form in which iterations of a domain can be exported."""

    platform: str
    flavor: str | None = Field(description="null is the platform without a flavor")
    title: str
    description: str = Field(description="where it runs, and what it is chosen for")


class DomainChoice(Answer):
    """A domain, with what people choose it by."""

    id: str
    name: str
    type: DomainType
    exportable: bool
    enabled: bool = Field(description="whether new projects may be of it")
    choose: str = Field(description="when to choose it, a sentence")
    exports: tuple[ExportForm, ...]


class TagMerge(Body):
    """The tag that remains of two."""

    into: str = Field(description="its id")


class SampleSummary(Answer):
    """What an empty project was filled with."""

    images: int
    tags: int


class Share(Answer):
    """How much there is, and how much there may be."""

    used: int
    limit: int | None = Field(description="null where there is none")


class Disk(Answer):
    """Bytes of images and stored predictions, as they were sent."""

    used: int = Field(description="what several projects share counts for each")


class ProjectUsage(Answer):
    """What a project has; tags and images are those of the workspace, bytes those of its iterations too."""

    tags: Share
    images: Share
    regions: Share | None = Field(default=None, description="absent of a classifier")
    iterations: Share
    predictions: Share
    bytes: Disk


class ServerUsage(Answer):
    """What all projects have together."""

    projects: Share
    images: Share
    iterations: Share
    predictions: Share
    bytes: Disk
    free_bytes: int | None = Field(
        description="on the disk of the storage; null where it is none of the server's"
    )
    keys: int = Field(description="that are active")


def domain_choice(domain: DomainRecord) -> DomainChoice:
    """A domain in words."""
    return DomainChoice(
        id=domain.id,
        name=domain.name,
        type=domain.type,
        exportable=domain.exportable,
        enabled=domain.enabled,
        choose=CHOOSE[domain.pipeline] if domain.pipeline else WITHDRAWN,
        exports=tuple(_form(form) for form in FORMATS if _exports(domain, form)),
    )


def _exports(domain: DomainRecord, form: Format) -> bool:
    detector = domain.params.detector
    # Where nothing is suppressed in the graph, the raw flavour is the same file as the plain one.
    suppresses = detector is not None and detector.output == "boxes"
    return form.family in domain.params.exports and (form.flavour != RAW or suppresses)


def _form(form: Format) -> ExportForm:
    said = description_of(form)
    return ExportForm(
        platform=form.platform, flavor=form.api_flavour, title=said.title, description=said.text
    )
