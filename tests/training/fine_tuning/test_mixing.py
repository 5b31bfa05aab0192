from __future__ import annotations

import pytest
import torch

from dahlia.training.fine_tuning.augmentation import Mixing


def batch(photos: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    """Photos of one colour each; half have one tag, one has none, the others two."""
    pixels = torch.arange(float(photos)).view(-1, 1, 1, 1).expand(-1, 3, 16, 16).clone()
    truth = torch.tensor([[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 1, 1], [0, 0, 1], [1, 1, 0]])
    return pixels, truth[:photos].float()


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.4, 0.0), (0.0, 1.0)])
def test_targets_are_mixed_as_pixels_are(mixup: float, cutmix: float) -> None:
    pixels, truth = batch()
    mixing = Mixing(mixup, cutmix, share=1.0, seed=0)
    shares = set()
    for number in range(20):
        mixed, targets = mixing(pixels, truth, 0, number)
        share = ((mixed[1].mean() - pixels[0].mean()) / (pixels[1] - pixels[0]).mean()).item()
        torch.testing.assert_close(targets, share * truth + (1 - share) * truth.roll(1, 0))
        shares.add(round(share, 3))
    assert len(shares) > 5
    torch.testing.assert_close(pixels, batch()[0])  # what came in stays


@pytest.mark.parametrize(
    ("mixup", "cutmix", "share", "expected"),
    [(0.0, 0.0, 1.0, 0), (0.2, 1.0, 0.0, 0), (0.2, 1.0, 1.0, 400), (0.2, 1.0, 0.3, 120)],
)
def test_a_share_of_batches_is_mixed(mixup: float, cutmix: float, share: float, expected: int) -> None:
    pixels, truth = batch()
    mixing = Mixing(mixup, cutmix, share, seed=0)
    mixed = sum(mixing(pixels, truth, 0, number)[0] is not pixels for number in range(400))
    assert mixed == pytest.approx(expected, abs=30)


def test_seed_epoch_and_batch_decide() -> None:
    def mixed(*key: int) -> torch.Tensor:
        return Mixing(1.0, 1.0, 1.0, key[0])(*batch(), *key[1:])[0]

    torch.manual_seed(5)
    one = mixed(1, 2, 3)
    chance = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(3), chance)  # the program's own chance is not touched
    assert torch.equal(one, mixed(1, 2, 3))
    assert not any(torch.equal(one, mixed(*key)) for key in [(2, 2, 3), (1, 3, 3), (1, 2, 4)])


def test_a_photo_alone() -> None:
    pixels, truth = batch(1)
    mixed, targets = Mixing(0.2, 1.0, 1.0, 0)(pixels, truth, 0, 0)
    torch.testing.assert_close(mixed, pixels)
    torch.testing.assert_close(targets, truth)
