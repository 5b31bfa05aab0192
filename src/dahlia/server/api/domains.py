"""Domains."""

from __future__ import annotations

from dahlia.server.api.parameters import one_id
from dahlia.server.api.routing import training_router
from dahlia.server.contract.domains import DOMAINS, domain_of
from dahlia.server.contract.models import Domain
from dahlia.server.http.access import Reads

router = training_router("Domains")


@router.get("/domains")
def get_domains(access: Reads) -> list[Domain]:
    """The domains that projects can have."""
    return [domain.answer() for domain in DOMAINS]


@router.get("/domains/{domain_id}")
def get_domain(domain_id: str, access: Reads) -> Domain:
    """One of them."""
    return domain_of(one_id(domain_id)).answer()
