"""Which web pages may read which answers: predictions, the training side, and files behind signed links."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from dahlia.server.http.addresses import FILES
from dahlia.serving.http.cross_origin import Policy
from dahlia.serving.http.origins import Origins

if TYPE_CHECKING:
    from starlette.types import Scope

    from dahlia.settings.sections import SecuritySection

_AREA = re.compile(r"/+(?:customvision/+[^/]+/+(prediction|training)|dahlia)(?:/|$)", re.IGNORECASE)
_PREDICTIONS, _TRAINING = "DAHLIA_SECURITY_PREDICTION_ORIGINS", "DAHLIA_SECURITY_TRAINING_ORIGINS"


def policies(section: SecuritySection) -> Callable[[Scope], Policy | None]:
    """The policy for a request, by its path.

    A link's signature is its key, so pages that may ask with a key, of either kind, may read files.
    """
    predictions, training = Origins.read(section.pages), Origins.read(section.training_origins)
    of_area = {
        "prediction": Policy(predictions, "POST", _PREDICTIONS),
        "training": Policy(training, "GET, HEAD, POST, PATCH, DELETE", _TRAINING),
    }
    of_files = Policy(predictions | training, "GET, HEAD", _TRAINING, always=True)

    def policy_of(scope: Scope) -> Policy | None:
        if area := _AREA.match(scope["path"]):
            return of_area[(area[1] or "training").lower()]
        return of_files if scope["path"].startswith(FILES) else None

    return policy_of
