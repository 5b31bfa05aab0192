"""A trained model that is to be written in another form, and the photos that tell its ranges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dahlia.dataset.imaging import Pixels
from dahlia.imports import quick_imports
from dahlia.modeling.card import ModelCard

if TYPE_CHECKING:
    from dahlia.modeling.classifier import Classifier


@dataclass(frozen=True)
class Source:
    """What every writer starts from.

    Attributes:
        bundle: the folder of the trained model.
        card: of the bundle.
        cache: a folder for what is worth keeping between exports; safe to delete.
        photos: reads some hundred of the training photos, (size, size, 3) RGB each, spread over all tags:
            quantisation learns the range of every map from them.
    """

    bundle: Path
    card: ModelCard
    cache: Path
    photos: Callable[[], list[Pixels]]

    def module(self) -> Classifier:
        """The trained module, in evaluation mode on the CPU.

        Raises:
            TrainingError: the bundle is not whole.
        """
        with quick_imports():
            from dahlia.modeling.bundle import load_bundle

        return load_bundle(self.bundle)[0]
