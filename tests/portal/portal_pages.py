"""Browser contexts that are watched: errors of the console, of the policy, and requests to other hosts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Page

SIZE = {"width": 1280, "height": 800}
_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => {
  const place = `${event.sourceFile}:${event.lineNumber}`;
  console.error(`policy: ${event.effectiveDirective} refuses ${event.blockedURI} at ${place}`);
});
"""
# Only in the first document of a tab: after that the page itself keeps the key, or has forgotten it.
_KEY = """
if (!sessionStorage.getItem("test.opened")) {
  sessionStorage.setItem("test.opened", "yes");
  sessionStorage.setItem("dahlia.key", %r);
}
"""
_API = ("/customvision/", "/dahlia/", "/files/", "/healthz")


@dataclass
class Watched:
    """What went wrong in the pages of a context.

    Attributes:
        own: hosts with ports that may be asked.
        errors: what the console and the page said.
        strangers: addresses at other hosts that were asked for.
    """

    own: set[str]
    errors: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def watch(self, context: BrowserContext) -> None:
        """Write down what goes wrong from now on."""
        context.add_init_script(_VIOLATIONS)
        context.on("console", self._said)
        context.on("weberror", lambda error: self.errors.append(str(error.error)))
        context.on("request", lambda request: self._asked(request.url))

    def check(self) -> None:
        """Nothing went wrong."""
        assert not self.strangers, self.strangers
        assert not self.errors, self.errors

    def _said(self, message: Any) -> None:
        if message.type != "error" or self._is_refusal(message):
            return
        self.errors.append(f"{message.text} ({message.location.get('url')})")

    def _is_refusal(self, message: Any) -> bool:
        """Whether the browser notes that the API refused something, or was not there: the page says it."""
        if not message.text.startswith("Failed to load resource"):
            return False
        return urlsplit(message.location.get("url", "")).path.startswith(_API)

    def _asked(self, address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc not in self.own:
            self.strangers.append(address)


@contextmanager
def watched_context(browser: Any, base: str, **options: Any) -> Iterator[BrowserContext]:
    """A fresh context; at its end nothing may have gone wrong in its pages.

    Args:
        browser: makes it.
        base: address of the server; no other host may be asked.
        options: of the context, such as `color_scheme`.
    """
    context = browser.new_context(**{"viewport": SIZE, "base_url": base, "locale": "en-GB"} | options)
    context.set_default_timeout(30_000)
    watched = Watched({urlsplit(base).netloc})
    watched.watch(context)
    try:
        yield context
    finally:
        context.close()
    watched.check()


def open_page(page: Page, base: str, key: str | None, path: str) -> Page:
    """Open a page of the portal, signed in with a key, or with none."""
    if key is not None:
        page.add_init_script(_KEY % key)
    page.goto(f"{base}/#{path}")
    return page
