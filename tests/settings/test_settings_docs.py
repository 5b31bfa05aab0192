"""The settings on the server's page are those that there are."""

from __future__ import annotations

from pathlib import Path

from dahlia.settings.display import settings_reference

PAGE = Path(__file__).parents[2] / "docs" / "server.md"


def test_the_page_lists_every_setting_as_it_is() -> None:
    assert PAGE.read_text(encoding="utf-8").endswith("## Settings\n\n" + settings_reference().strip() + "\n")
