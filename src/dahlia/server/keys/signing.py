"""What the server signs: links to files, and tokens of copies; each with a key of its own."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from dahlia.server.keys.secrets import secret_of, subkey
from dahlia.server.storage.links import Links

if TYPE_CHECKING:
    from dahlia.server.database.sessions import Database
    from dahlia.server.settings import Settings


class Signing:
    """Signs with the server's secret, which is looked for when an application is made: workers need none.

    Args:
        database: knows which secret it is.
        settings: say where it is.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    def load(self) -> None:
        """Look for the secret now: outside of a transaction, which a secret that is made needs itself.

        Raises:
            ConfigError: there is no secret where one is expected, or another one.
            StoreError: the database cannot be used.
        """
        _ = self._secret

    @cached_property
    def links(self) -> Links:
        """Signs addresses of files."""
        return self._signer("links")

    @cached_property
    def copies(self) -> Links:
        """Signs tokens with which projects are copied."""
        return self._signer("copies")

    @cached_property
    def _secret(self) -> bytes:
        return secret_of(self._database, self._settings)

    def _signer(self, purpose: str) -> Links:
        return Links(subkey(self._secret, purpose), hours=self._settings.security.link_hours)
