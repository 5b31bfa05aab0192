"""What the environment says about connections."""

from __future__ import annotations

import ipaddress

import pytest

from dahlia.errors import ConfigError
from dahlia.http.connections import Limits, most_files, read_limits, read_proxies


def test_defaults() -> None:
    assert read_limits({}, "DAHLIA_") == read_limits({"PROXIES": "", "MAX_CONNECTIONS": ""}, "") == Limits()


def test_values() -> None:
    given = {
        "A_MAX_CONNECTIONS": "7",
        "A_MAX_CONNECTIONS_PER_ADDRESS": "3",
        "A_PROXIES": "10.1.2.3, fd00::1/64",
        "A_HEADER_SECONDS": "0.5",
        "A_STALLED_SECONDS": "9",
    }
    networks = (ipaddress.ip_network("10.1.2.3/32"), ipaddress.ip_network("fd00::/64"))
    assert read_limits(given, "A_") == Limits(7, 3, networks, 0.5, 9)


def test_no_proxies() -> None:
    assert read_proxies(" ") == ()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("MAX_CONNECTIONS", "0"),
        ("MAX_CONNECTIONS", "many"),
        ("MAX_CONNECTIONS_PER_ADDRESS", "\u00b2"),
        ("PROXIES", "nginx"),
        ("PROXIES", "10.0.0.0/33"),
        ("HEADER_SECONDS", "0"),
        ("STALLED_SECONDS", "inf"),
    ],
)
def test_values_that_cannot_be_used(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=f"DAHLIA_{name}"):
        read_limits({f"DAHLIA_{name}": text}, "DAHLIA_")


def test_the_process_says_how_many_files_it_may_open() -> None:
    files = most_files()
    assert files is None or files > 10
