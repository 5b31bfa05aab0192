"""What surrounds every page."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from portal_projects import PortalServer

pytestmark = pytest.mark.slow


def test_signing_in_and_out(page: Page, portal: PortalServer) -> None:
    page.goto(portal.base)
    page.get_by_label("Key").fill(portal.admin_key)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
