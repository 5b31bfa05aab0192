"""Mixing two photos of a batch, and their targets with them."""

from __future__ import annotations

import torch
from torch import Tensor

from dahlia.training.fine_tuning.balancing import seed_of


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
