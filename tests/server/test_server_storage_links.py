"""Signed links."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dahlia.errors import ConfigError, ServiceError
from dahlia.server.storage.links import Links

NOW = datetime(2026, 1, 2, 3, 20, tzinfo=UTC)
PATH = "/files/images/ab/abcd.jpg"


@pytest.fixture
def links() -> Links:
    return Links(b"s" * 32)


def test_a_link_lasts_a_day_and_is_the_same_within_the_hour(links: Links) -> None:
    expires = links.expiry(NOW)
    assert timedelta(hours=24) <= datetime.fromtimestamp(expires, UTC) - NOW <= timedelta(hours=25)
    assert links.expiry(NOW + timedelta(minutes=39)) == expires
    assert links.expiry(NOW + timedelta(minutes=40)) == expires + 3600
    assert links.sign(PATH, expires) == links.sign(PATH, expires)


@pytest.mark.parametrize("path", [PATH, "/files/a b.zip", "/files/ö\ud800", "/"])
@pytest.mark.parametrize("suffix", ["", "&width=4", "&x"])
def test_what_was_signed_passes(links: Links, path: str, suffix: str) -> None:
    query = links.sign(path, links.expiry(NOW))
    links.check(path, query + suffix, NOW)
    links.check(path, query + suffix, NOW + timedelta(hours=24))
    Links(b"s" * 32).check(path, query, NOW - timedelta(days=400))


@pytest.mark.parametrize(
    ("path", "change", "later", "message"),
    [
        (PATH, lambda query: query, timedelta(hours=25), "expired"),
        (PATH + "x", lambda query: query, timedelta(0), "wrong signature"),
        ("/files/../images", lambda query: query, timedelta(0), "wrong signature"),
        (PATH, lambda query: query[:-1], timedelta(0), "wrong signature"),
        (PATH, lambda query: query.replace("expires=1", "expires=2"), timedelta(0), "wrong signature"),
        (PATH, lambda query: query.replace("expires=", "expires=0"), timedelta(0), "without a signature"),
        (PATH, lambda query: query + "%F0%9F%8C%BC", timedelta(0), "wrong signature"),
        (PATH, lambda query: f"{query}&{query}", timedelta(0), "without a signature"),
        (PATH, lambda query: query.partition("&")[0], timedelta(0), "without a signature"),
        (PATH, lambda query: query.partition("&")[2], timedelta(0), "without a signature"),
        (PATH, lambda query: query.replace("expires=", "expires=-"), timedelta(0), "without a signature"),
        (PATH, lambda query: query.replace("expires=", "expires=٣"), timedelta(0), "without a signature"),
        (PATH, lambda query: query + "&a=1" * 100, timedelta(0), "without a signature"),
        (PATH, lambda query: "", timedelta(0), "without a signature"),
    ],
)  # fmt: skip
def test_nothing_else_passes(links: Links, path: str, change: object, later: timedelta, message: str) -> None:
    assert callable(change)
    query = change(links.sign(PATH, links.expiry(NOW)))
    with pytest.raises(ServiceError, match=message) as refused:
        links.check(path, query, NOW + later)
    assert (refused.value.code, refused.value.status) == ("Forbidden", 403)


def test_another_secret_signs_otherwise(links: Links) -> None:
    query = Links(b"t" * 32).sign(PATH, links.expiry(NOW))
    with pytest.raises(ServiceError, match="wrong signature"):
        links.check(PATH, query, NOW)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 32 bytes"):
        Links(b"short")
