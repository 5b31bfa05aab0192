"""What a key allows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Scope(StrEnum):
    """What a key opens.

    `admin` opens everything, `training` all but keys, audit log and jobs of the server, `prediction`
    predictions, `read` what changes nothing of the training API.
    """

    ADMIN = "admin"
    TRAINING = "training"
    PREDICTION = "prediction"
    READ = "read"

    @classmethod
    def _missing_(cls, value: object) -> Scope | None:
        wanted = value.lower() if isinstance(value, str) else None
        return next((scope for scope in cls if scope == wanted), None)


@dataclass(frozen=True)
class Access:
    """What the key of a request allows.

    Attributes:
        key_id: of the key.
        scope: what it opens.
        project_id: the only project that it opens; None for all.
        expires: when the key ends by itself; None for never.
    """

    key_id: str
    scope: Scope
    project_id: str | None
    expires: datetime | None = None

    def opens(self, needed: Scope, project_id: str | None) -> bool:
        """Whether it allows an operation.

        Args:
            needed: the operation's scope.
            project_id: the operation's project; None for those of no project, for which a key of one project
                is good only where nothing is changed.
        """
        elsewhere = self.project_id is not None and project_id != self.project_id
        if elsewhere and (project_id is not None or needed is not Scope.READ):
            return False
        if needed is Scope.ADMIN:
            return self.scope is Scope.ADMIN
        return self.scope in (Scope.ADMIN, Scope.TRAINING, needed)
