"""The portal in Firefox: signing in, the grid, the train page, and a box that is drawn and saved."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from contract_projects import wait_until
from portal_projects import Filled, PortalServer

from programs import find_program

pytestmark = pytest.mark.slow

_SMOKE = Path(__file__).parent / "firefox_smoke.mjs"
_SECONDS = 240


def test_firefox_shows_the_portal_and_draws(
    portal: PortalServer, scenes: Filled, client: Any, tmp_path: Path
) -> None:
    image = next(iter(scenes.images.values()))[0]
    before = regions(client, scenes.project, image)
    place = f"/projects/{scenes.project}"
    task = {
        "base": portal.base,
        "key": portal.admin_key,
        "grid": f"{place}/images",
        "train": f"{place}/train",
        "photo": f"{place}/images/{image}",
    }
    command = [find_program("node"), "--experimental-websocket", str(_SMOKE), find_program("firefox-esr")]
    done = subprocess.run(
        [*command, str(tmp_path), json.dumps(task)], capture_output=True, text=True, timeout=_SECONDS
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["errors"] == []
    try:
        wait_until(lambda: len(regions(client, scenes.project, image)) == len(before) + 1)
    finally:
        drawn = regions(client, scenes.project, image) - before
        if drawn:
            client.delete_image_regions(scenes.project, sorted(drawn))


def regions(client: Any, project: str, image: str) -> set[str]:
    return {region.region_id for region in client.get_images_by_ids(project, [image])[0].regions or []}
