"""Exports by clicks: the forms of the domain, progress, the proof, the file; and why there is none."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from portal_iterations import add_detector
from portal_projects import Filled, PortalServer

pytestmark = pytest.mark.slow

_SERVED_DETECTOR = "da2e3a8a-40a5-4171-82f4-58522f70fbc1"  # the domain General of detection
_SECONDS = 120_000  # at most, for what the machine does; in milliseconds


def test_an_export_is_proven_and_downloaded(
    garden: Filled, portal: PortalServer, signed_in: Callable[..., Page], tmp_path: Path
) -> None:
    page = signed_in(path=f"/projects/{garden.project}/export/{garden.iteration}")
    expect(page.get_by_role("region", name="Core ML, for Apple")).to_be_visible()
    onnx = page.get_by_role("region", name="ONNX").get_by_role("listitem").first
    expect(onnx).to_contain_text("For ONNX Runtime and Windows ML")
    onnx.get_by_role("button", name="Export: ONNX").click()
    expect(onnx.get_by_role("progressbar", name="Progress: ONNX")).to_be_visible()
    download = onnx.get_by_role("link", name="Download: ONNX")
    expect(download).to_be_visible(timeout=_SECONDS)
    expect(onnx.get_by_role("button", name="Export: ONNX")).to_have_count(0)
    count = sum(map(len, garden.images.values()))
    expect(onnx).to_contain_text(f"It answers as the trained model does: compared on {count} photos.")

    onnx.get_by_role("button", name="Show the proof").click()
    proof = onnx.get_by_role("table", name="Proof: ONNX")
    expect(proof.get_by_role("row", name="Photos compared")).to_contain_text(str(count))
    expect(proof.get_by_role("row", name="Largest difference of a probability")).to_contain_text(
        "allowed: 0.0001"
    )
    expect(proof.get_by_role("row", name="Versions")).to_contain_text("onnxruntime")

    with page.expect_download() as begun:
        download.click()
    begun.value.save_as(tmp_path / "export.zip")
    with zipfile.ZipFile(tmp_path / "export.zip") as packed:
        assert packed.testzip() is None
        assert packed.read("labels.txt").decode().split() == sorted(garden.tags)
        assert packed.getinfo("model.onnx").file_size > 1_000_000
        assert json.loads(packed.read("verification.json"))["images"] == count

    # Who may only look finds the file, and no button that would be refused.
    page.evaluate("key => sessionStorage.setItem('dahlia.key', key)", portal.read_key)
    page.reload()
    expect(page.get_by_role("link", name="Download: ONNX", exact=True)).to_be_visible()
    expect(page.get_by_text("Your key may only look")).to_be_visible()
    expect(page.get_by_role("button", name="Export:")).to_have_count(0)


def test_a_failed_export_says_why_in_the_servers_words(
    scenes: Filled, signed_in: Callable[..., Page]
) -> None:
    page = signed_in(path=f"/projects/{scenes.project}/export")
    onnx = page.get_by_role("region", name="ONNX").get_by_role("listitem").first
    onnx.get_by_role("button", name="Export: ONNX").click()
    # The iteration was made without a training, so its bundle is missing.
    expect(onnx.get_by_role("alert")).to_contain_text("Expected the file", timeout=_SECONDS)
    expect(onnx.get_by_role("button", name="Try again: ONNX")).to_be_enabled()


def test_what_is_served_only_says_how_to_get_an_export(
    client: Any, portal: PortalServer, signed_in: Callable[..., Page]
) -> None:
    project = client.create_project("Served", domain_id=_SERVED_DETECTOR).id
    page = signed_in(path=f"/projects/{project}/export")
    expect(page.get_by_role("heading", name="There is nothing to export yet")).to_be_visible()

    for tag in ("red", "green", "blue"):
        client.create_tag(project, tag)
    add_detector(portal, project)
    page.reload()
    expect(page.get_by_role("heading", name="General is not exported")).to_be_visible()
    expect(page.get_by_text("Change the domain in the settings to a compact one")).to_be_visible()
    expect(page.get_by_role("link", name="To the settings")).to_have_attribute(
        "href", f"#/projects/{project}/settings"
    )
    client.delete_project(project)
