"""History and schedules"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

WALLS = {"history": "IN ('*', tenant_id::text)", "schedules": "= '*'"}


def upgrade() -> None:
    op.create_table(
        "schedules",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken_by", sa.String(length=200), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(length=20), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_schedules")),
    )
    op.create_table(
        "history",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("queue", sa.String(length=40), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=True),
        sa.Column("completed", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("retried", sa.Integer(), nullable=False),
        sa.Column("lost", sa.Integer(), nullable=False),
        sa.Column("waits", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("runs", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("waiting", sa.Integer(), nullable=True),
        sa.Column("delayed", sa.Integer(), nullable=True),
        sa.Column("active", sa.Integer(), nullable=True),
        sa.Column("dead", sa.Integer(), nullable=True),
        sa.Column("oldest_wait", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_history_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_history")),
    )
    with op.batch_alter_table("history", schema=None) as batch_op:
        batch_op.create_index("ix_history_at", ["minutes", "at"], unique=False)
        batch_op.create_index("uq_history", ["tenant_id", "minutes", "at", "queue"], unique=True)
        batch_op.create_index(
            "uq_history_all",
            ["minutes", "at", "queue"],
            unique=True,
            sqlite_where=sa.text("tenant_id IS NULL"),
            postgresql_where=sa.text("tenant_id IS NULL"),
        )

    with op.batch_alter_table("attempts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("due_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.create_index(batch_op.f("ix_attempts_ended_at"), ["ended_at"], unique=False)

    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.drop_index("ix_jobs_turn", sqlite_where=sa.text("status IN ('waiting', 'delayed')"))
        batch_op.create_index(
            "ix_jobs_turn",
            ["queue", "tenant_id", "turn", "run_at"],
            unique=False,
            sqlite_where=sa.text("status IN ('waiting', 'delayed')"),
            postgresql_where=sa.text("status IN ('waiting', 'delayed')"),
        )

    if op.get_bind().dialect.name == "postgresql":
        for table, seen in WALLS.items():
            said = f"current_setting('akount.tenant', true) {seen}"
            op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
            op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
            op.execute(f"CREATE POLICY own_tenant ON {table} USING ({said}) WITH CHECK ({said})")


def downgrade() -> None:
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_jobs_turn",
            sqlite_where=sa.text("status IN ('waiting', 'delayed')"),
            postgresql_where=sa.text("status IN ('waiting', 'delayed')"),
        )
        batch_op.create_index(
            batch_op.f("ix_jobs_turn"),
            ["queue", "tenant_id", "turn"],
            unique=False,
            sqlite_where=sa.text("status IN ('waiting', 'delayed')"),
            postgresql_where=sa.text("status IN ('waiting', 'delayed')"),
        )

    with op.batch_alter_table("attempts", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_attempts_ended_at"))
        batch_op.drop_column("due_at")

    with op.batch_alter_table("history", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_history_all", sqlite_where=sa.text("tenant_id IS NULL"), postgresql_where=sa.text("tenant_id IS NULL")
        )
        batch_op.drop_index("uq_history")
        batch_op.drop_index("ix_history_at")

    op.drop_table("history")
    op.drop_table("schedules")
