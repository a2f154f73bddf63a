"""Alerts: what is or was wrong, and who was told"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("rule", sa.String(length=40), nullable=False),
        sa.Column("about", sa.String(length=60), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
    )
    with op.batch_alter_table("alerts", schema=None) as batch_op:
        batch_op.create_index("ix_alerts_began_at", ["began_at"], unique=False)
        batch_op.create_index(
            "uq_alerts_open",
            ["rule", "about"],
            unique=True,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )
    if op.get_bind().dialect.name == "postgresql":
        said = "current_setting('akount.tenant', true) = '*'"
        op.execute("ALTER TABLE alerts ENABLE ROW LEVEL SECURITY")
        op.execute("ALTER TABLE alerts FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY all_tenants ON alerts USING ({said}) WITH CHECK ({said})")


def downgrade() -> None:
    with op.batch_alter_table("alerts", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_alerts_open", sqlite_where=sa.text("ended_at IS NULL"), postgresql_where=sa.text("ended_at IS NULL")
        )
        batch_op.drop_index("ix_alerts_began_at")

    op.drop_table("alerts")
