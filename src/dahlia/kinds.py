"""What a model says of a photo: the one word by which packages choose their rules."""

from __future__ import annotations

from typing import Literal

Classification = Literal["multiclass", "multilabel"]
"""One tag is right for a photo, or any number of them."""

Kind = Classification | Literal["detection"]
"""The same, and where in the photo each tag is.

A package has a table by kind, and what is not in it, the package cannot do.
"""
