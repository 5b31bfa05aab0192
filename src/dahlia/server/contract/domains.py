"""The domains of the API, and which domain of the pipeline trains each."""

from __future__ import annotations

from dataclasses import dataclass

from dahlia.server.contract import models
from dahlia.server.contract.enums import DomainType
from dahlia.server.contract.errors import not_found

_COMPACT = ("CoreML", "DockerFile", "ONNX", "OpenVino", "TensorFlow")
_COMPACT_MEGABYTES = 6  # of the network that the compact domains train


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
    """

    id: str
    name: str
    type: DomainType
    pipeline: str | None
    platforms: tuple[str, ...] = ()
    enabled: bool = True

    @property
    def exportable(self) -> bool:
        """Whether its iterations can be exported."""
        return bool(self.platforms)

    def answer(self) -> models.Domain:
        """As it goes over the wire."""
        information = None
        if self.exportable:
            information = models.ModelInformation(
                estimated_model_size_in_megabytes=_COMPACT_MEGABYTES,
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


_C, _D = DomainType.CLASSIFICATION, DomainType.DETECTION

DOMAINS = (
    DomainRecord("ee85a74c-405e-4adc-bb47-ffa8ca0c9f31", "General", _C, "general"),
    # A1 and A2 name generations of the original's networks; here one network serves all three.
    DomainRecord("a8e3c40f-fb4a-466f-832a-5e457ae4a344", "General [A1]", _C, "general"),
    DomainRecord("2e37d7fb-3a54-486a-b4d6-cfc369af0018", "General [A2]", _C, "general"),
    DomainRecord("c151d5b5-dd07-472a-acc8-15d29dea8518", "Food", _C, "food"),
    DomainRecord("ca455789-012d-4b50-9fec-5bb63841c793", "Landmarks", _C, "landmarks"),
    DomainRecord("b30a91ae-e3c1-4f73-a81e-c270bff27c39", "Retail", _C, "retail"),
    DomainRecord("45badf75-3591-4f26-a705-45678d3e9f5f", "Adult", _C, None, enabled=False),
    DomainRecord(
        "0732100f-1a38-4e49-a514-c9b44c697ab5", "General (compact)", _C, "general_compact", _COMPACT
    ),
    DomainRecord(
        "a1db07ca-a19a-4830-bae8-e004a42dc863",
        "General (compact) [S1]",
        _C,
        "general_compact_s1",
        _COMPACT,
    ),
    DomainRecord("8882951b-82cd-4c32-970b-d5f8cb8bf6d7", "Food (compact)", _C, "food_compact", _COMPACT),
    DomainRecord(
        "b5cfd229-2ac7-4b2b-8d0a-2b0661344894", "Landmarks (compact)", _C, "landmarks_compact", _COMPACT
    ),
    DomainRecord("6b4faeda-8396-481b-9f8b-177b9fa3097f", "Retail (compact)", _C, "retail_compact", _COMPACT),
    DomainRecord("da2e3a8a-40a5-4171-82f4-58522f70fbc1", "General", _D, None),
    DomainRecord("9c616dff-2e7d-ea11-af59-1866da359ce6", "General [A1]", _D, None),
    DomainRecord("1d8ffafe-ec40-4fb2-8f90-72b3b6cecea4", "Logo", _D, None),
    DomainRecord("3780a898-81c3-4516-81ae-3a139614e1f3", "Products on Shelves", _D, None),
    DomainRecord("a27d5ca5-bb19-49d8-a70a-fec086c47f5b", "General (compact)", _D, None, _COMPACT),
    DomainRecord("7ec2ac80-887b-48a6-8df9-8b1357765430", "General (compact) [S1]", _D, None, _COMPACT),
)
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
