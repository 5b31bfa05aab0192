"""What the kept graph of a detector's maps is called, and its outputs: training and exports agree on it."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256


def map_name(stride: int) -> str:
    """The output that is the map of a stride."""
    return f"stride_{stride}"


def maps_fingerprint(backbone: str, strides: Sequence[int]) -> str:
    """SHA-256 of a backbone's fingerprint and the strides: equal ones give equal maps on one machine."""
    return sha256(f"{backbone} {tuple(strides)}".encode()).hexdigest()
