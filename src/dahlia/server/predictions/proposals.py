"""Regions that are proposed for an image: where something may be, whatever it is."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from dahlia.boxes import Boxes, within
from dahlia.dataset.decoding_memory import DecodingBusy
from dahlia.dataset.imaging import SERVED_PIXELS, decode_then
from dahlia.errors import DahliaError, ImageError, ServiceError
from dahlia.http.replies import refused_image
from dahlia.server.contract.models import BoundingBox, RegionProposal
from dahlia.server.database.tables import ImageRow
from dahlia.server.storage.backend import NotThere
from dahlia.server.storage.names import image_key
from dahlia.serving.proposals import MOST, proposed

if TYPE_CHECKING:
    from dahlia.server.storage.storage import Storage

_EDGE = 1024  # pixels; a JPEG is decoded to at least so many
_DIGITS = 6  # of fractions of a photo: a hundredth of a pixel of the largest


def propose(storage: Storage, image: ImageRow) -> tuple[RegionProposal, ...]:
    """Where something may be in an image, the likeliest first; in the thread of the caller.

    Args:
        storage: has its file.
        image: of a project that has regions.

    Raises:
        ServiceError: the file is not there or cannot be decoded, or nothing can be proposed.
    """
    try:
        data = storage.get(image_key(image.sha256, image.suffix))
        found = decode_then(data, partial(proposed, most=MOST), _EDGE, max_decoded=SERVED_PIXELS)
    except NotThere as error:
        raise ServiceError("NotFoundImage", f"Image {image.id}: {error}") from error
    except (ImageError, DecodingBusy) as error:
        raise refused_image(error) from error
    except DahliaError as error:
        raise ServiceError("ErrorRegionProposal", f"Image {image.id}: {error}") from error
    return _answers(found)


def _answers(found: Boxes) -> tuple[RegionProposal, ...]:
    best = within(found.where(np.argsort(-found.scores, kind="stable")))
    places = best.places.astype(np.float64).round(_DIGITS).tolist()
    return tuple(
        RegionProposal(
            confidence=float(str(score)),  # the shortest text of the float32 number
            bounding_box=BoundingBox(left=left, top=top, width=width, height=height),
        )
        for score, (left, top, width, height) in zip(best.scores, places, strict=True)
        if width > 0 and height > 0
    )
