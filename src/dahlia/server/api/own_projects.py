"""Projects beyond Custom Vision: domains in words, tags that become one, a sample."""

from __future__ import annotations

from dahlia.server.api.parameters import PROJECT, ProjectId, one_id, own_router
from dahlia.server.api.projects import TagId
from dahlia.server.contract.domains import DOMAINS
from dahlia.server.contract.models import Tag
from dahlia.server.contract.own_projects import DomainChoice, SampleSummary, TagMerge, domain_choice
from dahlia.server.http.access import AnyKey, TheServer, Trains
from dahlia.server.projects.merging import merge_tags
from dahlia.server.projects.sample import fill_with_sample
from dahlia.server.projects.views import tag_answer

router = own_router("projects")


@router.get("/domains")
def get_domain_choices(access: AnyKey) -> list[DomainChoice]:
    """The domains that projects can have, each with when to choose it and what it is exported to."""
    return [domain_choice(domain) for domain in DOMAINS]


@router.post(PROJECT + "/tags/{tag_id}/merge")
def merge_tag(access: Trains, server: TheServer, project_id: ProjectId, tag_id: TagId, body: TagMerge) -> Tag:
    """Give all images and regions of a tag another one, and delete the first; answers with what remains.

    There is no way back. Iterations that were trained before keep the tag.
    """
    remaining = merge_tags(server, access, project_id, tag_id, one_id(body.into, "into"))
    return tag_answer(remaining.row, remaining.images)


@router.post(PROJECT + "/sample")
def add_sample(access: Trains, server: TheServer, project_id: ProjectId) -> SampleSummary:
    """Fill a project without images and tags with drawn flowers: photos with tags, or scenes with regions.

    It takes some ten seconds.
    """
    filled = fill_with_sample(server, access, project_id)
    return SampleSummary(images=filled.images, tags=filled.tags)
