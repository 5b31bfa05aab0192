"""Projects beyond Custom Vision: domains in words, tags that become one, a sample, and usage."""

from __future__ import annotations

from dahlia.server.api.parameters import PROJECT, ProjectId, one_id, own_router
from dahlia.server.api.projects import TagId
from dahlia.server.contract.domains import DOMAINS
from dahlia.server.contract.models import Tag
from dahlia.server.contract.own_projects import (
    DomainChoice,
    ProjectUsage,
    SampleSummary,
    ServerUsage,
    TagMerge,
    domain_choice,
)
from dahlia.server.http.access import Administers, AnyKey, Reads, TheServer, Trains
from dahlia.server.projects.merging import merge_tags
from dahlia.server.projects.sample import fill_with_sample
from dahlia.server.projects.usage import project_usage, server_usage
from dahlia.server.projects.views import tag_answer

router = own_router("projects")
server_router = own_router("server")


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


@router.get(PROJECT + "/usage")
def get_project_usage(access: Reads, server: TheServer, project_id: ProjectId) -> ProjectUsage:
    """How many tags, images, regions, iterations, predictions and bytes a project has, and may have."""
    with server.database.read() as session:
        return project_usage(session, server, project_id)


@server_router.get("/usage")
def get_usage(access: Administers, server: TheServer) -> ServerUsage:
    """The same of all projects together, and how many keys there are."""
    with server.database.read() as session:
        return server_usage(session, server)
