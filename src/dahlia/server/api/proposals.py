"""Proposed regions of an image."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool

from dahlia.server.api.parameters import PROJECT, ProjectId, one_id, training_router
from dahlia.server.api.predictions import ThePredictions
from dahlia.server.context import Server
from dahlia.server.contract.models import ImageRegionProposal
from dahlia.server.database.tables import ImageRow
from dahlia.server.http.access import Reads, TheServer
from dahlia.server.images.labels import takes_regions
from dahlia.server.images.queries import View, image_of
from dahlia.server.predictions.proposals import propose

router = training_router("Images")


@router.post(PROJECT + "/images/{image_id}/regionproposals")
async def get_image_region_proposals(
    access: Reads, server: TheServer, service: ThePredictions, project_id: ProjectId, image_id: str
) -> ImageRegionProposal:
    """Where something may be in an image, whatever it is; the likeliest first, at most 50.

    Classifiers have no regions, and their images no proposals.
    """
    image, wanted = await run_in_threadpool(_found, server, project_id, one_id(image_id))
    if not wanted:
        return ImageRegionProposal(project_id=project_id, image_id=image.id, proposals=())
    with service.admission.prediction():
        proposals = await service.predictor.run(propose, server.storage, image)
    return ImageRegionProposal(project_id=project_id, image_id=image.id, proposals=proposals)


def _found(server: Server, project_id: str, image_id: str) -> tuple[ImageRow, bool]:
    with server.database.read() as session:
        view = View.of(session, project_id, None)
        return image_of(session, view, image_id), takes_regions(view.project.kind)
