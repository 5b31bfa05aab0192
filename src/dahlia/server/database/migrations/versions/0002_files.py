"""What the database knows of the storage; triggers that remember whose rows were deleted; keys that expire.

SQLite drops a table's triggers with the table: a migration that rebuilds `images`, `predictions` or
`iterations` (as `batch_alter_table` may) creates them again with `create_triggers`.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dahlia.server.database import types

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_DISCARDED = {
    "images": ("image", "{row}.sha256 || {row}.suffix"),
    "predictions": ("prediction", "{row}.sha256 || {row}.suffix"),
    "iterations": ("iteration", "CAST({row}.id AS TEXT)"),
}


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "identity",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("server", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("earlier", sa.JSON(), nullable=False),
        sa.Column("made", types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "discarded",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("moment", types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name"),
    )
    op.create_table(
        "orphans",
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("written", types.Instant(), nullable=False),
        sa.Column("found", types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("file"),
    )
    op.add_column("keys", sa.Column("expires", types.Instant(), nullable=True))
    create_triggers()


def create_triggers() -> None:
    """Remember every image, stored prediction and iteration whose row is deleted, also by a cascade."""
    statements = _sqlite if op.get_bind().dialect.name == "sqlite" else _postgresql
    for table, (kind, name) in _DISCARDED.items():
        for statement in statements(table, kind, name):
            op.execute(statement)


def _sqlite(table: str, kind: str, name: str) -> list[str]:
    now = "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"
    return [
        f"CREATE TRIGGER {table}_discarded AFTER DELETE ON {table} BEGIN "
        f"INSERT OR REPLACE INTO discarded (kind, name, moment) "
        f"VALUES ('{kind}', {name.format(row='OLD')}, {now}); END"
    ]


def _postgresql(table: str, kind: str, name: str) -> list[str]:
    now = "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"
    return [
        f"CREATE FUNCTION {table}_discarded() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"INSERT INTO discarded (kind, name, moment) "
        f"SELECT '{kind}', names.name, {now} "
        f"FROM (SELECT DISTINCT {name.format(row='gone')} AS name FROM gone) AS names "
        f"ORDER BY names.name ON CONFLICT (kind, name) DO UPDATE SET moment = EXCLUDED.moment; "
        f"RETURN NULL; END $$",
        f"CREATE TRIGGER {table}_discarded AFTER DELETE ON {table} REFERENCING OLD TABLE AS gone "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_discarded()",
    ]


def downgrade() -> None:
    """Take back."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for table in _DISCARDED:
        op.execute(f"DROP TRIGGER {table}_discarded" + ("" if is_sqlite else f" ON {table}"))
        if not is_sqlite:
            op.execute(f"DROP FUNCTION {table}_discarded()")
    with op.batch_alter_table("keys") as batch_op:
        batch_op.drop_column("expires")
    for table in ("orphans", "discarded", "identity"):
        op.drop_table(table)
