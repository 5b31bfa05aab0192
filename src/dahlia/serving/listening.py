"""On which address `bentoml serve` listens, and what its first lines say of who may ask."""

from __future__ import annotations

import ipaddress
import logging
import os
from collections.abc import Mapping

import click

from dahlia.http.fetch import Reach
from dahlia.http.origins import Origins

LOOPBACK = "127.0.0.1"
EVERYWHERE = "0.0.0.0"  # noqa: S104  # a container's ports open from outside alone

_logger = logging.getLogger("bentoml.dahlia")


def default_host(environment: Mapping[str, str] = os.environ) -> str:
    """The address where neither `--host` nor `BENTOML_HOST` names one.

    BentoML's own default is every address of the machine. In the images that it makes it sets
    `BENTOML_CONTAINERIZED`; there a port is reached from outside only where it is published.
    """
    return EVERYWHERE if environment.get("BENTOML_CONTAINERIZED") else LOOPBACK


def chosen_host(default: str) -> str:
    """The address that the command under way was given, or the default."""
    context = click.get_current_context(silent=True)
    given = context.params.get("host") if context else None
    return str(given or default)


def say_who_may_ask(host: str, *, has_key: bool) -> None:
    """Warn of a service that is open to other machines; note one that is open to this machine alone."""
    if has_key:
        return
    if _is_loopback(host):
        _logger.info("DAHLIA_PREDICTION_KEY is not set: every program of this machine may predict.")
    else:
        _logger.warning(
            "The service is open: it listens on %s and DAHLIA_PREDICTION_KEY is not set, so anyone who "
            "reaches the port may predict. Set the key, or start with `--host %s`.", host, LOOPBACK,
        )  # fmt: skip


def say_what_is_open(origins: Origins, reach: Reach, *, has_key: bool) -> None:
    """Say whose web pages may ask without a key, and warn if all may or if images of every address are."""
    if not has_key:
        level = logging.WARNING if origins.every else logging.INFO
        _logger.log(level, "Web pages that may request predictions (DAHLIA_ORIGINS): %s.", origins)
    if reach == "any":
        _logger.warning("Images are fetched from all addresses, those of this network included.")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
