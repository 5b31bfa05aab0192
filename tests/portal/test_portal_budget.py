"""What a browser loads before the first page: it stays small, and heavy libraries come with their pages."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from portal_dist import PORTAL, build_portal

pytestmark = pytest.mark.slow

_DIST = PORTAL / "dist"
_ENTRY = "index.html"
_BUDGET = 250_000
_HEAVY = ("recharts", "konva")
_FIRST_PAGE = "src/pages/projects/ProjectsPage.tsx"


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    build_portal()
    return json.loads((_DIST / ".vite" / "manifest.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def static(manifest: dict[str, Any], *names: str) -> set[str]:
    """The scripts that come with some, as they are imported, each once."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += manifest[name].get("imports", [])
    return found


def packed(manifest: dict[str, Any], names: set[str]) -> int:
    return sum(len(gzip.compress((_DIST / manifest[name]["file"]).read_bytes(), 9)) for name in names)


def test_what_is_loaded_at_first_fits_its_budget(manifest: dict[str, Any]) -> None:
    entry = static(manifest, _ENTRY)
    assert packed(manifest, entry) <= _BUDGET
    assert packed(manifest, entry | static(manifest, _FIRST_PAGE)) <= _BUDGET


def test_heavy_libraries_come_with_the_pages_that_need_them(manifest: dict[str, Any]) -> None:
    texts = {name: (_DIST / part["file"]).read_text(encoding="utf-8") for name, part in manifest.items()}
    first = static(manifest, _ENTRY, _FIRST_PAGE)
    for library in _HEAVY:
        holders = {name for name, text in texts.items() if library in text.lower()}
        assert holders, f"{library} is nowhere: the test looks for the wrong word"
        assert not holders & first
