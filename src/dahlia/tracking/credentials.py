"""Which servers get the credentials for MLflow: those that the environment of this machine names.

`track.uri`, and what a store says of where its files are, may come from somebody else with a project.
"""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

import click

from dahlia.masking import masked
from dahlia.targets import TRACKING_URI
from dahlia.tracking.mlflow_internals import CREDENTIALS_FILE, ignore_credentials_file

_CREDENTIALS = (
    "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_AUTH",
    "MLFLOW_TRACKING_AWS_SIGV4",
    "MLFLOW_TRACKING_CLIENT_CERT_PATH",
    "PGPASSWORD",  # of a store that is a database
)
_NAMING = ("MLFLOW_TRACKING_URI", TRACKING_URI)
_PORTS = {"http": "80", "https": "443"}
# Parsers differ in where they find the host of an address with other characters.
_ADDRESS = re.compile(
    r"(https?)://(?:[^\s\\/?#@]*@)?([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(\d+))?(?:[/?#][^\s\\]*)?", re.I
)


def withhold_credentials(uri: str) -> None:
    """Take MLflow's credentials out of this process, unless the environment names the store's server.

    What they were, and how to name the server, is said once on the standard error.

    Args:
        uri: of a store, before a client for it is made.
    """
    if _is_local(uri) or _is_trusted(uri):
        return
    names = [name for name in _CREDENTIALS if os.environ.get(name)]
    for name in names:
        del os.environ[name]
    if ignore_credentials_file():
        names.append(CREDENTIALS_FILE)
    if names:
        place = masked(uri)
        click.echo(
            f"{' and '.join(names)} will not be used: expected a store that {' or '.join(_NAMING)} names in "
            f"the environment, received {place}. If you trust it, set {_NAMING[0]}={place}.",
            err=True,
        )


def withhold_from_files(location: str, store: str) -> None:
    """The same for the place of a run's files, which its store names.

    Args:
        location: a URI; of those that are no server of MLflow, nothing is withheld.
        store: the store's URI.
    """
    parts = urlsplit(location)
    if parts.scheme == "mlflow-artifacts" and parts.netloc:
        withhold_credentials(parts._replace(scheme=urlsplit(store).scheme).geturl())
    elif parts.scheme in _PORTS:
        withhold_credentials(location)


def _is_local(uri: str) -> bool:
    return uri.startswith(("sqlite:", "file:")) or ":" not in uri


def _is_trusted(uri: str) -> bool:
    named = [value for name in _NAMING if (value := os.environ.get(name))]
    return uri in named or _origin(uri) in [origin for value in named if (origin := _origin(value))]


def _origin(uri: str) -> tuple[str, str, str] | None:
    match = _ADDRESS.fullmatch(uri)
    if match is None:
        return None
    scheme, host, port = match[1].lower(), match[2].lower(), match[3]
    return scheme, host, port or _PORTS[scheme]
