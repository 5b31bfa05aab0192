"""What `dahlia checkout` refuses; a whole one is with the real training."""

from __future__ import annotations

from pathlib import Path

import pytest
from server_rows import add_project

from dahlia.errors import ConfigError
from dahlia.server.context import Server
from dahlia.server.project_folders import check_out


def test_a_project_that_is_not_there_is_named_with_those_that_are(server: Server, tmp_path: Path) -> None:
    garden = add_project(server, "garden")
    with pytest.raises(ConfigError, match=rf"there is none. Known: garden \({garden.id}\)"):
        check_out(server, "orchard", tmp_path / "out")


def test_a_name_of_several_projects_is_not_guessed(server: Server, tmp_path: Path) -> None:
    first, second = add_project(server, "garden"), add_project(server, "garden")
    with pytest.raises(ConfigError, match=f"several have it.*{first.id}.*{second.id}"):
        check_out(server, "garden", tmp_path / "out")


@pytest.mark.parametrize("by", ["name", "id"])
def test_a_project_that_was_never_trained(server: Server, tmp_path: Path, by: str) -> None:
    garden = add_project(server, "garden")
    with pytest.raises(ConfigError, match="Train it"):
        check_out(server, getattr(garden, by), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_is_left_alone(server: Server, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="new or empty folder"):
        check_out(server, "garden", tmp_path)
