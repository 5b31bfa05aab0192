"""Every page with axe-core, light and dark, on a desk and on a phone, which scrolls no page sideways."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page
from portal_dist import PORTAL
from portal_pages import open_page, watched_context
from portal_projects import Filled, PortalServer
from portal_tour import all_stops, settle, tour

pytestmark = pytest.mark.slow

_AXE = PORTAL / "node_modules" / "axe-core" / "axe.min.js"
_SERIOUS = """
async (rules) => {
  const ending = document.getAnimations().filter((one) => one.effect.getComputedTiming().endTime < 5000);
  await Promise.allSettled(ending.map((one) => one.finished)); // colours on their way have no contrast
  const only = rules ? { runOnly: { type: "rule", values: rules } } : {};
  const { violations } = await axe.run(document, { resultTypes: ["violations"], ...only });
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) =>
      nodes.map((node) => `${id}: ${node.target} ${node.failureSummary.slice(0, 300)}`),
    );
}
"""
_TOO_WIDE = """
() => {
  const most = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= most) return [];
  const wide = [...document.querySelectorAll("body *")].filter(
    (element) => element.getBoundingClientRect().right > most + 1,
  );
  const some = wide.slice(-3).map((one) => one.outerHTML.slice(0, 120));
  return [`${document.documentElement.scrollWidth} px wide: ${some}`];
}
"""
_OTHER = {"light": "dark", "dark": "light"}


@pytest.mark.parametrize(("wide", "high", "scheme"), [(1280, 800, "light"), (360, 740, "dark")])
def test_nothing_serious_on_any_page(
    browser: Browser, portal: PortalServer, garden: Filled, scenes: Filled, wide: int, high: int, scheme: str
) -> None:
    options = {
        "color_scheme": scheme,
        "reduced_motion": "reduce",
        "viewport": {"width": wide, "height": high},
    }
    with watched_context(browser, portal.base, **options) as context:
        page = open_page(context.new_page(), portal.base, portal.admin_key, "/")
        settle(page)
        page.evaluate(_AXE.read_text(encoding="utf-8"))
        found = []
        for stop in tour(page, all_stops({"garden": garden, "scenes": scenes})):
            found += [f"{stop.name}: {fault}" for fault in _faults(page, scheme)]
        assert not found, "\n".join(found)


@pytest.mark.parametrize(("wide", "high", "scheme"), [(1280, 800, "light"), (360, 740, "dark")])
def test_nothing_serious_before_signing_in(
    browser: Browser, portal: PortalServer, wide: int, high: int, scheme: str
) -> None:
    options = {
        "color_scheme": scheme,
        "reduced_motion": "reduce",
        "viewport": {"width": wide, "height": high},
    }
    with watched_context(browser, portal.base, **options) as context:
        page = open_page(context.new_page(), portal.base, None, "/")
        page.get_by_role("button", name="Sign in").wait_for()
        page.evaluate(_AXE.read_text(encoding="utf-8"))
        assert _faults(page, scheme) == []


def _faults(page: Page, scheme: str) -> list[str]:
    """Of a page in both schemes; what does not depend on colours is looked at once."""
    found: list[str] = page.evaluate(_SERIOUS, None) + page.evaluate(_TOO_WIDE)
    page.emulate_media(color_scheme=_OTHER[scheme], reduced_motion="reduce")
    found += page.evaluate(_SERIOUS, ["color-contrast"])
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    return found
