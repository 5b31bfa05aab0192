"""Random changes: of a photo, which the domain chooses, and mixtures of two photos of a batch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dahlia.dataset.imaging import squash


class Augmentation:
    """Albumentations of a domain: an (H, W, 3) uint8 photo to (size, size, 3).

    Args:
        names: from `domain.recipe.augmentation`.
        size: pixels of the edge.
        seed: of the random changes.
    """

    def __init__(self, names: Sequence[str], size: int, seed: int) -> None:
        # It would otherwise ask the package index for a newer version, each time it is imported.
        os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
        import albumentations as alb

        self.size, self.seed = size, seed
        self.compose = alb.Compose(
            [transform for name in names for transform in _transforms(alb, name, size)]
        )
        self.reseed()

    def reseed(self, *key: int) -> None:
        """Seed the random numbers again, as the seed and `key` (numbers that are not negative) decide.

        Each change has a chance of its own: with one seed for all, which is what the library gives them, a
        photo that is mirrored would always be cropped too.
        """
        for number, change in enumerate(self.compose.transforms):
            change.set_random_seed(seed_of(self.seed, number, *key))

    def __call__(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Change the photo at random, then squash it as prediction does."""
        return squash(np.ascontiguousarray(self.compose(image=image)["image"]), self.size)


def _transforms(alb: Any, name: str, size: int) -> list[Any]:
    table = {
        "mirror": lambda: alb.HorizontalFlip(p=0.5),
        "crop": lambda: alb.RandomResizedCrop((size, size), scale=(0.5, 1.0), ratio=(0.8, 1.25), p=0.9),
        "colour": lambda: alb.ColorJitter(0.3, 0.3, 0.3, 0.03, p=0.8),
        "light": lambda: alb.RandomBrightnessContrast(0.3, 0.3, p=0.7),
        "rotate": lambda: alb.Rotate(15, border_mode=4, p=0.5),
        "rotate_any": lambda: alb.Rotate(180, border_mode=4, p=0.7),
        "perspective": lambda: alb.Perspective((0.02, 0.08), border_mode=4, p=0.5),
        "blur": lambda: alb.GaussianBlur(blur_limit=(3, 5), p=0.3),
        "weather": lambda: alb.RandomFog(fog_coef_range=(0.05, 0.3), p=0.2),
    }
    return [table[name]()]


def seed_of(*parts: int) -> int:
    """One seed from several numbers that are not negative; all of them matter."""
    state: Any = np.random.SeedSequence((len(parts), *parts)).generate_state(1)
    return int(state[0])


class Mixing:
    """Mixup (Zhang et al., 2018) or CutMix (Yun et al., 2019) for a share of the batches, one coin for both.

    Targets are mixed in the same proportion as pixels, for several tags as for one: a photo that is 70 % of
    one without tags and 30 % of one with a tag has that tag with 0.3.

    Args:
        mixup: alpha of the Beta distribution; 0 leaves mixup out.
        cutmix: the same for CutMix.
        share: of the batches that are mixed, 0 to 1.
        seed: of the chance.
    """

    def __init__(self, mixup: float, cutmix: float, share: float, seed: int) -> None:
        from torchvision.transforms import v2

        kinds = ((v2.MixUp, mixup), (v2.CutMix, cutmix))
        self.kinds = [kind(alpha=alpha) for kind, alpha in kinds if alpha > 0]
        self.share, self.seed = share, seed

    def __call__(self, pixels: Tensor, truth: Tensor, epoch: int, batch: int) -> tuple[Tensor, Tensor]:
        """Mix (B, 3, H, W) float pixels and (B, K) float targets; epoch and batch decide how."""
        if not self.kinds:
            return pixels, truth
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed_of(self.seed, epoch, batch))
            coin, kind = torch.rand(2).tolist()
            if coin >= self.share:
                return pixels, truth
            mixed: tuple[Tensor, Tensor] = self.kinds[int(kind * len(self.kinds))](pixels, truth)
            return mixed
