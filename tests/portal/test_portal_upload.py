"""Adding photos by the page: however they come, whatever they are, and whatever happens meanwhile."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest
import requests
from playwright.sync_api import Browser, Page, Route, expect
from portal_files import drop, noise, paste, write_photos, write_zip
from portal_pages import open_page, watched_context
from portal_projects import PortalServer, portal_server

pytestmark = pytest.mark.slow

SignedIn = Callable[..., Page]

_DONE = re.compile(r"^The upload is done\.")
_KEYS = "/dahlia/v1/keys"
_PROJECTS = "/customvision/v3.4-preview/training/projects"


@pytest.fixture
def project(client: Any) -> str:
    """An empty project whose photos may have several tags."""
    return str(client.create_project("Upload", classification_type="Multilabel").id)


def _opened(signed_in: SignedIn, project: str, key: str | None = None) -> Page:
    page = signed_in(path=f"/projects/{project}/images", key=key)
    expect(page.get_by_role("button", name="Add photos", exact=True)).to_be_visible()
    return page


def _counts(client: Any, project: str) -> dict[str, int]:
    return {tag.name: tag.image_count for tag in client.get_tags(project)}


def _summary(page: Page) -> Any:
    return page.get_by_role("region", name="Upload").get_by_role("status")


def _reason(page: Page, file: str) -> Any:
    return page.get_by_role("row", name=file).get_by_role("cell").last


def test_files_are_dropped_and_each_refused_one_has_its_reason(
    signed_in: SignedIn, client: Any, project: str, tmp_path: Path
) -> None:
    photos = write_photos(tmp_path / "photos", range(3))
    (tmp_path / "broken.jpg").write_bytes(noise(9)[:300])
    (tmp_path / "notes.txt").write_text("not a photo")
    bundle = write_zip(
        tmp_path / "bundle.zip",
        {
            "inside/good.jpg": noise(4),
            "../../outside.jpg": noise(5),
            "bomb.png": b"\0" * 500_000,
            "a.txt": b"a",
        },
        promised={"bomb.png": 4_000_000_000},
    )
    page = _opened(signed_in, project)
    expect(page.get_by_text("No photos yet")).to_be_visible()
    # On the header: files may be dropped anywhere.
    drop(page, [*photos, tmp_path / "broken.jpg", tmp_path / "notes.txt", bundle])
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("4 files will be left out")).to_be_visible()
    expect(_reason(page, "notes.txt")).to_contain_text("This is not a photo")
    expect(_reason(page, "outside.jpg")).to_contain_text("outside of its own folder")
    expect(_reason(page, "bomb.png")).to_contain_text("larger than 256 MB")
    field = dialog.get_by_label("Tags for all of them")
    field.fill("meadow")
    field.press("Enter")
    expect(dialog.get_by_label("Leave out meadow")).to_be_visible()
    dialog.get_by_role("button", name="Add 5 photos").click()

    expect(_summary(page)).to_have_text("The upload is done. 4 photos added. 5 files not taken.")
    expect(_reason(page, "broken.jpg")).to_contain_text(re.compile("Expected .*, received"))
    expect(_reason(page, "notes.txt")).to_contain_text("This is not a photo")
    expect(page.locator("[data-loaded]")).to_have_count(4)
    assert _counts(client, project) == {"meadow": 4}

    drop(page, [photos[0]])  # a second time
    page.get_by_role("button", name="Add 1 photo", exact=True).click()
    expect(_summary(page)).to_have_text("The upload is done. 1 photo was there already.")
    assert client.get_image_count(project) == 4


def test_a_forged_zip_file_is_refused_with_a_sentence(
    signed_in: SignedIn, project: str, tmp_path: Path
) -> None:
    forged = write_zip(tmp_path / "forged.zip", {"a.jpg": noise(1)}, promised={"a.jpg": 100})
    (tmp_path / "no.zip").write_bytes(b"PK, but no zip file")
    page = _opened(signed_in, project)
    drop(page, [forged, tmp_path / "no.zip"])
    expect(_reason(page, "no.zip")).to_contain_text("damaged or not complete")
    page.get_by_role("button", name="Add 1 photo", exact=True).click()
    expect(_summary(page)).to_contain_text("1 photo not sent.")
    expect(_reason(page, "a.jpg")).to_contain_text("damaged or not complete")


def test_folders_become_tags_and_a_photo_is_pasted(
    signed_in: SignedIn, client: Any, project: str, tmp_path: Path
) -> None:
    write_photos(tmp_path / "garden" / "rose", range(3))
    write_photos(tmp_path / "garden" / "daisy", range(10, 12))
    write_photos(tmp_path / "garden" / ".hidden", range(20, 22))
    page = _opened(signed_in, project)
    drop(page, [tmp_path / "garden"])
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("rose (3 photos)")).to_be_checked()
    expect(dialog.get_by_label("daisy (2 photos)")).to_be_checked()
    dialog.get_by_role("button", name="Add 5 photos").click()
    expect(_summary(page)).to_have_text("The upload is done. 5 photos added.")
    assert _counts(client, project) == {"rose": 3, "daisy": 2}

    paste(page, noise(30))
    paste(page, noise(31))  # joins the first, which is not sent yet
    dialog.get_by_role("button", name="Add 2 photos").click()
    expect(_summary(page)).to_have_text("The upload is done. 2 photos added.")
    assert client.get_untagged_image_count(project) == 2


def test_a_folder_is_picked(signed_in: SignedIn, client: Any, project: str, tmp_path: Path) -> None:
    write_photos(tmp_path / "rose", range(2))
    page = _opened(signed_in, project)
    page.get_by_test_id("folder").set_input_files(tmp_path / "rose")
    page.get_by_label("rose (2 photos)").check()
    page.get_by_role("button", name="Add 2 photos").click()
    expect(_summary(page)).to_have_text(_DONE)
    assert _counts(client, project) == {"rose": 2}


def test_a_killed_server_is_waited_for_and_each_photo_arrives_once(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("killed")
    photos = write_photos(folder / "photos", range(60), size=700)  # several calls' worth
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    settings = {"DAHLIA_SERVER_PORT": port, "DAHLIA_JOBS_WORKERS": "0"}
    with portal_server(folder / "home", **settings) as server:
        headers = {"Training-Key": server.admin_key}
        made = requests.post(
            f"{server.base}{_PROJECTS}", params={"name": "Killed"}, headers=headers, timeout=30
        )
        project = made.json()["id"]
        with watched_context(browser, server.base) as context:
            page = open_page(context.new_page(), server.base, server.admin_key, f"/projects/{project}/images")
            page.get_by_test_id("files").set_input_files(photos)
            is_upload = re.compile(rf"{project}/images\?")
            with page.expect_response(
                lambda one: one.request.method == "POST" and bool(is_upload.search(one.url))
            ):
                page.get_by_role("button", name="Add 60 photos").click()
            _kill(int(port))
            expect(page.get_by_text("The upload goes on as soon as it does.")).to_be_visible()
            with _served_again(folder / "home", settings):
                expect(_summary(page)).to_have_text("The upload is done. 60 photos added.", timeout=60_000)
                count = f"{server.base}{_PROJECTS}/{project}/images/count"
                assert requests.get(count, headers=headers, timeout=30).json() == 60
                expect(page.get_by_role("gridcell").first).to_be_visible()


def _kill(port: int) -> None:
    (process,) = {
        one.pid
        for one in psutil.net_connections("tcp")
        if one.laddr.port == port and one.status == psutil.CONN_LISTEN and one.pid
    }
    os.kill(process, signal.SIGKILL)


@contextmanager
def _served_again(home: Path, settings: Mapping[str, str]) -> Iterator[None]:
    """Serve a home that a killed server left, until the block ends."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("DAHLIA_")}
    environment = bare | {"DAHLIA_SERVER_HOME": str(home), **settings}
    with home.with_suffix(".again.log").open("wb") as log:
        command = [sys.executable, "-m", "dahlia", "serve"]
        process = subprocess.Popen(
            command, env=environment, cwd=home.parent, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(timeout=30)


def test_a_key_that_is_refused_midway_is_asked_for(
    signed_in: SignedIn, client: Any, portal: PortalServer, project: str, tmp_path: Path
) -> None:
    photos = write_photos(tmp_path, range(100, 170))  # two calls
    admin = {"Training-Key": portal.admin_key}
    body = {"name": "short-lived", "scope": "training"}
    made = requests.post(portal.base + _KEYS, json=body, headers=admin, timeout=30).json()
    page = _opened(signed_in, project, made["key"])
    calls = 0

    def revoke(route: Route) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            requests.delete(
                f"{portal.base}{_KEYS}/{made['id']}", headers=admin, timeout=30
            ).raise_for_status()
        route.continue_()

    page.route(re.compile(rf"{project}/images\?"), revoke)
    page.get_by_test_id("files").set_input_files(photos)
    page.get_by_role("button", name="Add 70 photos").click()
    page.get_by_label("Key or sign-in link").fill(portal.admin_key)
    page.get_by_role("button", name="Sign in").click()
    expect(_summary(page)).to_have_text("The upload is done. 70 photos added.")
    assert client.get_image_count(project) == 70


def test_a_reload_midway_says_what_to_do(
    signed_in: SignedIn, client: Any, project: str, tmp_path: Path
) -> None:
    photos = write_photos(tmp_path, range(200, 206))
    page = _opened(signed_in, project)
    page.on("dialog", lambda dialog: dialog.accept())  # the browser asks before it leaves
    uploads = re.compile(rf"{project}/images\?")
    page.route(uploads, lambda route: None)  # never answered
    page.get_by_test_id("files").set_input_files(photos)
    page.get_by_role("button", name="Add 6 photos").click()
    expect(page.get_by_text("0 of 6 photos")).to_be_visible()
    while page.evaluate(f"sessionStorage.getItem('dahlia.upload.{project}')") is None:
        page.wait_for_timeout(50)
    page.reload()
    expect(page.get_by_text("The page was closed while it sent 6 photos; 0 had arrived.")).to_be_visible()
    page.unroute(uploads)
    page.get_by_test_id("files").set_input_files(photos)
    page.get_by_role("button", name="Add 6 photos").click()
    expect(_summary(page)).to_have_text("The upload is done. 6 photos added.")
    assert client.get_image_count(project) == 6
