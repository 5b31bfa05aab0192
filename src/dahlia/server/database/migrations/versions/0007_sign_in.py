"""Links with which a browser signs in once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dahlia.server.database.types import Instant

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "sign_in_links",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("expires", Instant(), nullable=False),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("sign_in_links")
