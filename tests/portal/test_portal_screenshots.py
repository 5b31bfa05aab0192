"""The command that makes pictures of the portal says in a sentence what prevents it."""

from __future__ import annotations

import pytest

from dahlia.errors import TrainingError
from portal_screenshots import filled


def test_a_training_that_takes_too_long_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def never_trained(*_: object) -> None:
        raise AssertionError("it takes too long")

    monkeypatch.setattr(filled, "garden_project", never_trained)
    with pytest.raises(TrainingError, match="within 15 minutes: it takes too long"):
        filled._trained_garden(None, [])
