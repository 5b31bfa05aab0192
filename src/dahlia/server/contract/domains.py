"""The domains of the API: those of `conf/domain`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from dahlia.export.formats import FORMATS
from dahlia.kinds import Task
from dahlia.params import DomainParams
from dahlia.project import shipped_domains
from dahlia.server.contract import models
from dahlia.server.contract.enums import DomainType, not_found

# Of `model.onnx` in float32, by the networks of the shipped domains; a detector's, without the last stage and
# with a neck, is as large to a megabyte.
_MEGABYTES = {"tf_efficientnet_lite0": 13, "tf_efficientnet_lite2": 19}


@dataclass(frozen=True)
class DomainRecord:
    """A domain.

    Attributes:
        id: a UUID.
        name: as clients look it up.
        type: what its projects do.
        pipeline: the choice in `conf/domain`; None for what cannot be trained here.
        params: what that file says.
        platforms: what its iterations can be exported to; none where they are served only.
        enabled: whether new projects may be of it.
        megabytes: of an exported model, about.
    """

    id: str
    name: str
    type: DomainType
    pipeline: str | None
    params: DomainParams
    platforms: tuple[str, ...] = ()
    enabled: bool = True
    megabytes: int = _MEGABYTES["tf_efficientnet_lite0"]

    @property
    def exportable(self) -> bool:
        """Whether its iterations can be exported."""
        return bool(self.platforms)

    def answer(self) -> models.Domain:
        """As it goes over the wire."""
        information = None
        if self.exportable:
            information = models.ModelInformation(
                estimated_model_size_in_megabytes=self.megabytes,
                description="A compact network that runs on phones and edge devices.",
            )
        return models.Domain(
            id=self.id,
            name=self.name,
            type=self.type,
            exportable=self.exportable,
            enabled=self.enabled,
            exportable_platforms=self.platforms,
            model_information=information,
        )


def _platforms(families: Collection[str]) -> tuple[str, ...]:
    return tuple(sorted({form.platform for form in FORMATS if form.family in families}))


_TYPES: dict[Task, DomainType] = {
    "classification": DomainType.CLASSIFICATION,
    "detection": DomainType.DETECTION,
}


def _all_domains() -> tuple[DomainRecord, ...]:
    records = (_record(choice, domain) for choice, domain in shipped_domains().items())
    return tuple(sorted(records, key=_place))


def _record(choice: str, domain: DomainParams) -> DomainRecord:
    return DomainRecord(
        id=domain.id,
        name=domain.name,
        type=_TYPES[domain.task],
        pipeline=None if domain.withdrawn else choice,
        params=domain,
        platforms=_platforms(domain.exports),
        enabled=domain.withdrawn is None,
        megabytes=_MEGABYTES[domain.backbone.architecture],
    )


def _place(domain: DomainRecord) -> tuple[object, ...]:
    """Clients take the first that fits: what is served and general comes first."""
    general = domain.name.startswith("General")
    return (
        domain.type is DomainType.DETECTION,
        domain.exportable,
        not domain.enabled,
        not general,
        domain.name,
    )


DOMAINS = _all_domains()
DEFAULT = DOMAINS[0]

_BY_ID = {domain.id: domain for domain in DOMAINS}


def domain_of(identity: str) -> DomainRecord:
    """The domain with an id, in any case.

    Raises:
        ServiceError: there is none.
    """
    known = _BY_ID.get(identity.lower())
    if known is None:
        raise not_found("Domain", identity)
    return known
