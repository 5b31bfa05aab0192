"""The Markdown files: links lead somewhere, what they name exists, and their English stays plain."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

import pytest

from small_projects import REPOSITORY

DOCS = REPOSITORY / "docs"
PAGES = sorted(chain(REPOSITORY.glob("*.md"), REPOSITORY.glob("data/*.md"), DOCS.rglob("*.md")))
RECORDS = sorted(DOCS.glob("decisions/0*.md"))
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_PATH = re.compile(r"`(?:python |pytest )?((?:tests|benchmarks)/[\w/]+(?:\.py)?)[` ]")
_DIALECT = re.compile(
    r"\b(mend(s|ed|ing)?|anew|whoever|(cannot|could not) be had|good for|goes on where|is told)\b",
    re.IGNORECASE,
)


def prose(path: Path) -> str:
    return _FENCE.sub("", path.read_text(encoding="utf-8"))


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page: Path) -> list[str]:
    found = []
    for link in _LINK.findall(prose(page)):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if "://" not in link and not (target.exists() and (not anchor or anchor in anchors(target))):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_a_page_names_what_exists_in_plain_words(page: Path) -> None:
    assert broken(page) == []
    assert [path for path in _PATH.findall(prose(page)) if not (REPOSITORY / path).exists()] == []
    assert [match[0] for match in _DIALECT.finditer(prose(page))] == []


def test_the_overview_stays_short() -> None:
    assert len((DOCS / "architecture.md").read_text(encoding="utf-8").splitlines()) <= 250


def test_decisions_are_numbered_listed_and_whole() -> None:
    index = (DOCS / "decisions/README.md").read_text(encoding="utf-8")
    assert [int(path.name[:4]) for path in RECORDS] == list(range(1, len(RECORDS) + 1))
    for path in RECORDS:
        text = path.read_text(encoding="utf-8")
        assert f"[{path.name[:4]}]({path.name}) {text.splitlines()[0].removeprefix('# ')}" in index
        assert re.search(r"^20\d\d-\d\d-\d\d$", text, re.MULTILINE), path.name
        assert all(f"**{part}:**" in text for part in ("Context", "Decision", "Measure again")), path.name
