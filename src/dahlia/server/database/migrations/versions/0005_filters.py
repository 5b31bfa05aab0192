"""Indices for the filters of the audit log and of the list of jobs."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_INDICES = {
    "audit_by_actor": ("audit", ["actor", "key"]),
    "audit_by_action": ("audit", ["action", "key"]),
    "jobs_by_kind": ("jobs", ["kind", "key"]),
    "jobs_of_project": ("jobs", ["project_key", "key"]),
    "jobs_of_iteration": ("jobs", ["iteration_key", "kind", "key"]),
}


def upgrade() -> None:
    """Apply."""
    for name, (table, columns) in _INDICES.items():
        op.create_index(name, table, columns)


def downgrade() -> None:
    """Take back."""
    for name, (table, _) in reversed(_INDICES.items()):
        op.drop_index(name, table)
