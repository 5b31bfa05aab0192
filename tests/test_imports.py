"""Quick imports: collection pauses, and goes on even when an import fails."""

from __future__ import annotations

import gc

import pytest

from dahlia.imports import quick_imports


def test_collection_pauses_and_goes_on() -> None:
    with quick_imports():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_collection_goes_on_after_an_error() -> None:
    with pytest.raises(ImportError), quick_imports():
        raise ImportError
    assert gc.isenabled()


def test_who_paused_it_before_finds_it_paused() -> None:
    gc.disable()
    try:
        with quick_imports():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
