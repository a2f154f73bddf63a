"""Hosted engines: what tenants decide, spend and have shown; consent at upload; the breaker"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

SAID = "current_setting('akount.tenant', true)"
SEEN = f"CASE WHEN {SAID} = '*' THEN true ELSE {SAID} = tenant_id::text END"
OPEN = "ended_at IS NULL"
TENANTS = ("hosted_policies", "hosted_spending", "hosted_calls")
"""Tables whose rows name their tenant."""


def upgrade() -> None:
    with op.batch_alter_table("documents", schema=None) as batch_op:
        batch_op.add_column(sa.Column("hosted_engines", sa.Boolean(), server_default=sa.text("false"), nullable=False))

    op.create_table(
        "hosted_breakers",
        sa.Column("engine", sa.String(length=40), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("open_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("engine", name=op.f("pk_hosted_breakers")),
    )
    op.create_table(
        "hosted_policies",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("engine", sa.String(length=40), nullable=False),
        sa.Column("strategy", sa.String(length=20), nullable=False),
        sa.Column("threshold", sa.Integer(), nullable=False),
        sa.Column("masks", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("budget", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_hosted_policies_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_hosted_policies")),
    )
    op.create_table(
        "hosted_spending",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("spent", sa.BigInteger(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_hosted_spending_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "month", name=op.f("pk_hosted_spending")),
    )
    op.create_table(
        "hosted_calls",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("engine", sa.String(length=40), nullable=False),
        sa.Column("model", sa.String(length=100), nullable=False),
        sa.Column("sent_sha256", sa.String(length=64), nullable=False),
        sa.Column("sent_bytes", sa.BigInteger(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.Column("cost", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.String(length=40), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_hosted_calls_job_id_jobs")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_hosted_calls_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hosted_calls")),
    )
    with op.batch_alter_table("hosted_calls", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hosted_calls_job_id"), ["job_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_hosted_calls_tenant_id"), ["tenant_id"], unique=False)
        batch_op.create_index(
            "ix_hosted_calls_running",
            ["engine", "expires_at"],
            unique=False,
            sqlite_where=sa.text(OPEN),
            postgresql_where=sa.text(OPEN),
        )

    if op.get_bind().dialect.name == "postgresql":
        for table in TENANTS:
            op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
            op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
            op.execute(f"CREATE POLICY own_tenant ON {table} USING ({SEEN}) WITH CHECK ({SEEN})")


def downgrade() -> None:
    for table in ("hosted_calls", "hosted_spending", "hosted_policies", "hosted_breakers"):
        op.drop_table(table)
    with op.batch_alter_table("documents", schema=None) as batch_op:
        batch_op.drop_column("hosted_engines")
