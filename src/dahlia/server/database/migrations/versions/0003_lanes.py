"""Lanes of jobs: short work does not wait behind long work."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_COLUMNS = {"lane": sa.String(length=8), "expected": sa.Double(), "worker_lane": sa.String(length=8)}


def upgrade() -> None:
    """Apply; an Advanced training that waits or runs is long, everything else is short."""
    for name, kind in _COLUMNS.items():
        op.add_column("jobs", sa.Column(name, kind, nullable=True))
    op.execute("UPDATE jobs SET lane = 'short'")
    op.execute(
        "UPDATE jobs SET lane = 'long' WHERE kind = 'train' AND iteration_key IN "
        "(SELECT key FROM iterations WHERE training_type = 'Advanced')"
    )
    op.execute("UPDATE jobs SET worker_lane = 'all' WHERE state = 'running'")


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("jobs") as batch_op:
        for name in reversed(_COLUMNS):
            batch_op.drop_column(name)
