from __future__ import annotations

import pytest
import torch

from dahlia_pretraining.distillation import random_views


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(count: int = 8) -> torch.Tensor:
    return torch.randint(0, 256, (count, 32, 32, 3), dtype=torch.uint8, generator=chance(7))


@pytest.mark.parametrize(("mosaics", "whole"), [(0.0, 8), (0.5, 4), (1.0, 0)])
def test_views_and_whose_they_are(mosaics: float, whole: int) -> None:
    views, rows = random_views(batch(), 48, mosaics, chance())
    assert views.shape == (8, 3, 48, 48)
    assert rows.shape == (8, 4)
    assert 0 <= views.min() <= views.max() <= 1
    assert rows[:whole].tolist() == [[row] * 4 for row in range(whole)]


def test_a_mosaic_shows_its_four_photos() -> None:
    plain = (torch.arange(4, dtype=torch.uint8) * 60 + 30).view(4, 1, 1, 1).expand(4, 16, 16, 3).contiguous()
    views, rows = random_views(plain, 32, 1.0, chance())
    quarters = views.unfold(2, 16, 16).unfold(3, 16, 16).mean((1, 4, 5)).flatten(1)
    shades = plain[:, 0, 0, 0].float()[rows]
    # Light and contrast are the same in the whole of a view, so its darkest quarter shows its darkest photo.
    # (Not its index: where one photo fills two quarters, their means differ by rounding on some processors.)
    darkest = shades.gather(1, quarters.argmin(dim=1, keepdim=True))[:, 0]
    assert torch.equal(darkest, shades.min(dim=1).values)
    same = shades[:, :, None] == shades[:, None, :]
    assert torch.allclose(
        quarters[:, :, None].expand_as(same)[same], quarters[:, None, :].expand_as(same)[same], atol=1e-3
    )


def test_chance_comes_from_the_generator_alone() -> None:
    first, again, other = (random_views(batch(), 32, 0.5, chance(seed))[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
