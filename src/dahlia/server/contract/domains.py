"""The domains of the API: those of `conf/domain`, other names of them, and those not trained yet."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from dahlia.export.formats import FAMILIES, FORMATS
from dahlia.kinds import TASKS, Task
from dahlia.params import DomainParams
from dahlia.project import shipped_domains
from dahlia.server.contract import models
from dahlia.server.contract.enums import DomainType, not_found

# Of `model.onnx` in float32, by the networks of the shipped domains.
_MEGABYTES = {"tf_efficientnet_lite0": 13, "tf_efficientnet_lite2": 19}


@dataclass(frozen=True)
class DomainRecord:
    """A domain.

    Attributes:
        id: a UUID.
        name: as clients look it up.
        type: what its projects do.
        pipeline: the choice in `conf/domain`; None for what cannot be trained here.
        platforms: what its iterations can be exported to; none where they are served only.
        enabled: whether new projects may be of it.
        megabytes: of an exported model, about.
    """

    id: str
    name: str
    type: DomainType
    pipeline: str | None
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
# What the pipeline does not train yet.
_DETECTION = tuple(
    DomainRecord(identity, name, DomainType.DETECTION, None, _platforms(FAMILIES if compact else ()))
    for identity, name, compact in (
        ("da2e3a8a-40a5-4171-82f4-58522f70fbc1", "General", False),
        ("9c616dff-2e7d-ea11-af59-1866da359ce6", "General [A1]", False),
        ("1d8ffafe-ec40-4fb2-8f90-72b3b6cecea4", "Logo", False),
        ("3780a898-81c3-4516-81ae-3a139614e1f3", "Products on Shelves", False),
        ("a27d5ca5-bb19-49d8-a70a-fec086c47f5b", "General (compact)", True),
        ("7ec2ac80-887b-48a6-8df9-8b1357765430", "General (compact) [S1]", True),
    )
)


def _all_domains() -> tuple[DomainRecord, ...]:
    trained = {choice: _record(choice, domain) for choice, domain in shipped_domains().items()}
    known = {domain.id for domain in trained.values()}
    others = [domain for domain in _DETECTION if domain.id not in known]
    return tuple(sorted([*trained.values(), *others], key=_place))


def _record(choice: str, domain: DomainParams) -> DomainRecord:
    return DomainRecord(
        id=domain.id,
        name=domain.name,
        type=_TYPES[domain.task],
        # The server trains no detectors yet.
        pipeline=None if domain.withdrawn or TASKS[domain.task].boxed else choice,
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
