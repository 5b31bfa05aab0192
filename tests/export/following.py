"""Fewer walks of torch through a network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from torch import nn

from dahlia.modeling.card import ModelCard


@contextmanager
def following_once(known: dict[str, Any]) -> Iterator[None]:
    """Let torch follow a network for the first of its forms in Core ML alone; that is most of the work.

    Args:
        known: what was followed, by card; no two networks may share theirs.
    """
    from dahlia.export.coreml import convert

    follow = convert._exported

    def kept(module: nn.Module, card: ModelCard) -> Any:
        key = card.model_dump_json()
        if key not in known:
            known[key] = follow(module, card)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convert, "_exported", kept)
        yield
