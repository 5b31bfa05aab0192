"""Projects beyond Custom Vision: the domains in words."""

from __future__ import annotations

from dahlia.server.api.parameters import own_router
from dahlia.server.contract.domains import DOMAINS
from dahlia.server.contract.own_projects import DomainChoice, domain_choice
from dahlia.server.http.access import AnyKey

router = own_router("projects")


@router.get("/domains")
def get_domain_choices(access: AnyKey) -> list[DomainChoice]:
    """The domains that projects can have, each with when to choose it and what it is exported to."""
    return [domain_choice(domain) for domain in DOMAINS]
