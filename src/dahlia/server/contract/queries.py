"""What the server sends about stored predictions and suggestions, page by page."""

from __future__ import annotations

from dahlia.server.contract.enums import OrderBy, SortBy
from dahlia.server.contract.fields import Answer, Moment
from dahlia.server.contract.iterations import StoredImagePrediction, StoredSuggestedTagAndRegion


class PredictionQueryTag(Answer):
    """Predictions by the probability of a tag."""

    id: str
    min_threshold: float | None
    max_threshold: float | None


class PredictionQueryToken(Answer):
    """The query, and where to continue; `continuation` is null at the end."""

    session: str
    continuation: str | None
    max_count: int
    order_by: OrderBy
    tags: tuple[PredictionQueryTag, ...]
    iteration_id: str | None
    start_time: Moment | None
    end_time: Moment | None
    application: str | None


class PredictionQueryResult(Answer):
    """A page of stored predictions."""

    token: PredictionQueryToken
    results: tuple[StoredImagePrediction, ...]


class SuggestionQueryToken(Answer):
    """The query, and where to continue; `continuation` is null at the end."""

    tag_ids: tuple[str, ...]
    threshold: float
    session: str
    continuation: str | None
    max_count: int
    sort_by: SortBy


class SuggestionQueryResult(Answer):
    """A page of suggestions."""

    token: SuggestionQueryToken
    results: tuple[StoredSuggestedTagAndRegion, ...]
