"""The portal in Chromium, against a server on the same cores: uploads, a large project, tagging by keys.

    python benchmarks/portal.py [--images 100000] [--photos 1000] [--keys 300] [--only upload]

Needs the built portal (`make portal`) and Chromium. The rows of the large project are written straight to the
database; its thumbnails are links to a few files.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import requests
from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console
from rich.table import Table
from sqlalchemy import insert, select

from dahlia.server.database.sessions import Database
from dahlia.server.database.tables import ImageRow, ImageTagRow, ProjectRow, TagRow
from dahlia.server.database.types import new_id
from dahlia.server.storage.names import thumbnail_key
from server import BASE, _photos
from server_process import Running, running_server

PARTS = ("upload", "project", "keys")
TAGS = 40
_SHARED = 50  # thumbnails that differ
_ROWS = 5000  # of images, that are written at once
_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
_FAR = 20_000  # photos that are scrolled through
_WATCH = """
(() => {
  const cells = () => {
    const grid = document.querySelector("[role=grid]");
    if (!grid) return [];
    const { top, bottom } = grid.getBoundingClientRect();
    return [...grid.querySelectorAll("[data-place]")].filter((cell) => {
      const box = cell.getBoundingClientRect();
      return box.bottom > top && box.top < bottom;
    });
  };
  const isPainted = (cell) => {
    const img = cell.querySelector("img");
    return img && img.complete && img.naturalWidth;
  };
  const watched = (window.watched = { painted: null, longest: 0, since: null, frames: [], last: null });
  const look = (now) => {
    const seen = cells();
    const isFull = seen.length > 0 && seen.every(isPainted);
    if (isFull && watched.painted === null) watched.painted = now;
    if (watched.last !== null) watched.frames.push(now - watched.last);
    watched.last = now;
    if (watched.painted !== null && seen.length > 0) {
      const rows = Map.groupBy(seen, (cell) => cell.parentElement);
      const isBlank = [...rows.values()].some((row) => !row.some(isPainted));
      if (!isBlank) watched.since = null;
      else watched.since ??= now;
      if (isBlank) watched.longest = Math.max(watched.longest, now - watched.since);
    }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})();
"""


def main() -> None:
    options = _arguments()
    table = Table(title=f"The portal; load of the machine at the start: {os.getloadavg()[0]:.1f}")
    for column in ("", "measured", "target"):
        table.add_column(column, justify="right" if column else "left")
    with _chromium() as browser:
        for name, part in zip(PARTS, (_uploaded, _large, _tagged), strict=True):
            if name in options.only:
                for row in part(browser, options):
                    table.add_row(*row)
    Console().print(table)


Rows = Iterator[tuple[str, str, str]]


def _uploaded(browser: Browser, options: argparse.Namespace) -> Rows:
    """Photos of 100 KB, from the click to the summary."""
    with tempfile.TemporaryDirectory() as folder, running_server("sqlite") as server:
        paths = []
        for number, photo in enumerate(_photos(options.photos, 7)):
            paths.append(Path(folder) / f"{number}.jpg")
            paths[-1].write_bytes(photo)
        mean = sum(path.stat().st_size for path in paths) / len(paths) / 1024
        project = _project(server, "Upload")
        with _page(browser, server, project) as page:
            page.get_by_test_id("files").set_input_files(paths)
            button = page.get_by_role("button", name=f"Add {len(paths):,} photos")
            button.wait_for()
            busy, began = server.processor, time.perf_counter()
            button.click()
            page.get_by_text("The upload is done.").wait_for(timeout=600_000)
            seconds = time.perf_counter() - began
            cost = 1000 * (server.processor - busy) / len(paths)
            said = page.get_by_role("region", name="Upload").get_by_role("status").inner_text()
        yield f"{len(paths):,} photos of {mean:.0f} KB uploaded", f"{seconds:.1f} s", "20 s"
        yield "server's processor time a photo", f"{cost:.1f} ms", ""
        assert f"{len(paths):,} photos added" in said, said


def _large(browser: Browser, options: argparse.Namespace) -> Rows:
    """A project that is opened and scrolled through."""
    with running_server("sqlite") as server:
        project = _project(server, "Large")
        _fill(server, project, options.images)
        with _page(browser, server, project) as page:
            while (painted := page.evaluate("window.watched.painted")) is None:
                page.wait_for_timeout(100)
            yield f"{options.images:,} images: first grid painted", f"{painted / 1000:.2f} s", "1.5 s"
            page.locator("[role=grid]").hover()
            page.evaluate("window.watched.longest = 0; window.watched.frames = []")
            _scroll(page, steps=60, pixels=600, seconds=0.2)
            watched = page.evaluate("window.watched")
            frames = sorted(watched["frames"])
            yield "longest blank row, a screen every 0.2 s", f"{watched['longest']:.0f} ms", "300 ms"
            yield "frames while scrolling, p95", f"{frames[int(len(frames) * 0.95)]:.0f} ms", ""
            seen = 0
            page.evaluate("window.watched.longest = 0")
            while seen < min(_FAR, options.images - 200):
                _scroll(page, steps=20, pixels=1800, seconds=0.1)
                seen = page.evaluate(
                    "Math.max(...[...document.querySelectorAll('[data-place]')].map((c) => +c.dataset.place))"
                )
            page.wait_for_timeout(1000)
            longest = page.evaluate("window.watched.longest")
            yield "longest blank row, 18,000 pixels a second", f"{longest:.0f} ms", ""
            heap = _metrics(page)["JSHeapUsedSize"] / 2**20
            resident, private = _renderer()
            yield f"memory of the tab after {seen:,} photos", f"{resident / 2**20:.0f} MB", "400 MB"
            yield "of which its own, without shared libraries", f"{private / 2**20:.0f} MB", ""
            yield "of which JavaScript's heap", f"{heap:.0f} MB", ""


def _tagged(browser: Browser, options: argparse.Namespace) -> Rows:
    """Photos without tags, tagged by keys as fast as the driver can."""
    with running_server("sqlite") as server:
        project = _project(server, "Keys")
        _fill(server, project, max(2 * options.keys, 1000), tagged=False)
        with _page(browser, server, project, "?show=untagged") as page:
            page.locator("[data-loaded]").first.wait_for()
            page.keyboard.press("Home")
            began = time.perf_counter()
            for number in range(options.keys):
                page.keyboard.press(str(1 + number % 9))
            typed = time.perf_counter() - began
            page.get_by_text(f"{options.keys} photos shown here no longer match.").wait_for(timeout=60_000)
            page.get_by_text("Saving").wait_for(state="hidden", timeout=60_000)
            saved = time.perf_counter() - began - typed
        yield (
            f"{options.keys} photos tagged by keys",
            f"{60 * options.keys / typed:.0f} a minute",
            "60 a minute",
        )
        yield "until the server has the last", f"{saved:.1f} s", ""


def _project(server: Running, name: str) -> str:
    """A project whose photos may have several tags, with all of its tags."""
    session = requests.Session()
    session.headers["Training-Key"] = server.key
    made = session.post(f"{server.address}{BASE}/projects?name={name}&classificationType=Multilabel").json()[
        "id"
    ]
    for number in range(TAGS):
        session.post(f"{server.address}{BASE}/projects/{made}/tags?name=tag {number}").raise_for_status()
    return str(made)


def _fill(server: Running, project: str, images: int, tagged: bool = True) -> None:
    """Write the rows of images, and a thumbnail for each."""
    home = Path(server.database.removeprefix("sqlite:///")).parent
    os.umask(0o077)  # the server warns of files that others may read
    shared = _thumbnails(home)
    database = Database(server.database)
    with database.read() as session:
        key = session.scalars(select(ProjectRow.key).where(ProjectRow.id == project)).one()
        tags = list(session.scalars(select(TagRow.key).where(TagRow.project_key == key)))
    now = datetime.now(UTC) - timedelta(days=1)
    for start in range(0, images, _ROWS):
        rows = [_image(number, key, now, tagged) for number in range(start, min(start + _ROWS, images))]
        with database.write() as session:
            inserted = insert(ImageRow).returning(ImageRow.key, sort_by_parameter_order=True)
            keys = list(session.scalars(inserted, rows))
            if tagged:
                session.execute(insert(ImageTagRow), list(_labels(keys, tags, now)))
        for place, row in enumerate(rows):
            link = home / "files" / thumbnail_key(row["sha256"])
            link.parent.mkdir(parents=True, exist_ok=True)
            os.link(shared[place % _SHARED], link)
    with database.write() as session:
        session.get_one(ProjectRow, key).revision = images
    database.close()


def _image(number: int, project: int, now: datetime, tagged: bool) -> dict[str, Any]:
    return {
        "id": new_id(), "project_key": project, "suffix": ".jpg", "width": 900, "height": 600,
        "size": 100_000, "sha256": hashlib.sha256(str(number).encode()).hexdigest(), "details": {},
        "tagged": tagged, "created": now, "added": 1, "removed": None,
    }  # fmt: skip


def _labels(images: list[int], tags: list[int], now: datetime) -> Iterator[Mapping[str, Any]]:
    for image in images:
        for tag in {tags[image % TAGS], tags[image * 7 % TAGS]}:
            yield {"image_key": image, "tag_key": tag, "created": now, "added": 1, "removed": None}


def _thumbnails(home: Path) -> list[Path]:
    from dahlia.dataset.imaging import thumbnail

    folder = home / "files" / "benchmark"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number}.jpg" for number in range(_SHARED)]
    for path, photo in zip(paths, _photos(_SHARED, 3), strict=True):
        path.write_bytes(thumbnail(photo, 256))
    return paths


@contextmanager
def _chromium() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if not path:
        raise SystemExit("Expected Chromium, found none. Install it.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_FLAGS)
        yield browser
        browser.close()


@contextmanager
def _page(browser: Browser, server: Running, project: str, query: str = "") -> Iterator[Page]:
    """A project's photos in a fresh context, opened and watched."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, base_url=server.address)
    context.add_init_script(f"sessionStorage.setItem('dahlia.key', '{server.key}')")
    context.add_init_script(_WATCH)
    page = context.new_page()
    page.goto(f"{server.address}/#/projects/{project}/images{query}")
    page.get_by_role("button", name="Add photos", exact=True).wait_for()
    yield page
    context.close()


def _scroll(page: Page, steps: int, pixels: int, seconds: float) -> None:
    for _ in range(steps):
        until = time.perf_counter() + seconds
        page.mouse.wheel(0, pixels)
        page.wait_for_timeout(max(1, 1000 * (until - time.perf_counter())))


def _metrics(page: Page) -> dict[str, float]:
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    return {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}


def _renderer() -> tuple[int, int]:
    """Resident bytes of the tab's process, and those that no other process shares."""
    children = psutil.Process().children(recursive=True)
    tabs = [one for one in children if "--type=renderer" in one.cmdline()]
    most = max((one.memory_full_info() for one in tabs), key=lambda info: info.rss)
    return int(most.rss), int(most.uss)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--keys", type=int, default=300)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    return parser.parse_args()


if __name__ == "__main__":
    main()
