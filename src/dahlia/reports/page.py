"""What the reports share: templates that need no other file and no network, and photos inside the page."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dahlia.errors import DatasetError


def render(
    template: str, values: Mapping[str, object], filters: Mapping[str, Callable[..., str]] | None = None
) -> str:
    """A page of `templates/`; every text in it is escaped.

    Args:
        template: its name; it extends `base.html`.
        values: what it shows.
        filters: how it writes numbers and texts.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("dahlia.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= dict[str, Any](filters or {})
    return environment.get_template(template).render(**values)


def data_uri(path: Path, edge: int, max_bytes: int | None = None) -> str | None:
    """A small copy of a photo as a `data:` URI; None where the file cannot be shown.

    Args:
        path: the file.
        edge: the longer edge of the copy, pixels.
        max_bytes: larger files are not opened; None opens all.
    """
    from dahlia.dataset.imaging import thumbnail
    from dahlia.dataset.photo_files import read_file

    try:
        _, data = read_file(path, max_bytes)
        if data is None:
            return None
        encoded = base64.b64encode(thumbnail(data, edge)).decode("ascii")
    except (OSError, DatasetError):
        return None
    return f"data:image/jpeg;base64,{encoded}"
