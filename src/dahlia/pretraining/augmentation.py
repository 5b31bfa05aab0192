"""Random views of a whole batch at once, on whatever device it is: crops, mirrors, colours, mosaics."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_LEAST_AREA = 0.3
_ASPECT = 4 / 3
_COLOUR = 0.3
_GREY = (0.299, 0.587, 0.114)


def random_views(
    images: Tensor, size: int, mosaics: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Look at each photo of a batch in a random way; some views are mosaics of four photos.

    A mosaic shows small photos sharply, side by side, where one photo would be shown enlarged.

    Args:
        images: (B, S, S, 3) uint8 RGB.
        size: edge of the views, pixels; even.
        mosaics: share of the views that are mosaics, 0 to 1; the last ones.
        generator: on the CPU; all chance comes from here.

    Returns:
        Views (B, 3, size, size), 0 to 1, and whose they are: (B, 4) rows of `images`, each a quarter of
        the view; four times the same for a view of one photo.
    """
    count = len(images)
    mosaic = round(count * mosaics)
    pixels = images.permute(0, 3, 1, 2).float() / 255
    rows = torch.arange(count)[:, None].repeat(1, 4)
    parts = []
    if mosaic < count:
        parts.append(_cropped(pixels[: count - mosaic], size, generator))
    if mosaic:
        rows[count - mosaic :] = torch.randint(count, (mosaic, 4), generator=generator)
        quarters = _cropped(pixels[rows[count - mosaic :].flatten().to(images.device)], size // 2, generator)
        parts.append(_tiled(quarters.view(mosaic, 4, *quarters.shape[1:])))
    views = torch.cat(parts)
    return _coloured(views, generator).contiguous(memory_format=torch.channels_last), rows


def _cropped(pixels: Tensor, size: int, generator: torch.Generator) -> Tensor:
    # Random resized crop, Szegedy et al. 2014, as one affine map per photo.
    count = len(pixels)
    area = _LEAST_AREA + (1 - _LEAST_AREA) * torch.rand(count, generator=generator)
    aspect = _ASPECT ** (2 * torch.rand(count, generator=generator) - 1)
    width, height = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
    shift = 2 * torch.rand(2, count, generator=generator) - 1
    mirror = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    affine = torch.zeros(count, 2, 3)
    affine[:, 0, 0], affine[:, 0, 2] = width * mirror, shift[0] * (1 - width)
    affine[:, 1, 1], affine[:, 1, 2] = height, shift[1] * (1 - height)
    grid = functional.affine_grid(affine.to(pixels.device), [count, 3, size, size], align_corners=False)
    return functional.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)


def _tiled(parts: Tensor) -> Tensor:
    upper, lower = torch.cat([parts[:, 0], parts[:, 1]], 3), torch.cat([parts[:, 2], parts[:, 3]], 3)
    return torch.cat([upper, lower], 2)


def _coloured(views: Tensor, generator: torch.Generator) -> Tensor:
    factors = 1 + _COLOUR * (2 * torch.rand(3, len(views), 1, 1, 1, generator=generator) - 1)
    light, contrast, saturation = factors.to(views.device)
    views = views * light
    views = views.mean((1, 2, 3), keepdim=True).lerp(views, contrast)
    grey = (views * torch.tensor(_GREY, device=views.device).view(1, 3, 1, 1)).sum(1, keepdim=True)
    return grey.lerp(views, saturation).clamp(0, 1)
