"""Plans: what a tenant may send in a month"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

SAID = "current_setting('akount.tenant', true)"
SEEN = f"CASE WHEN {SAID} = '*' THEN true ELSE {SAID} = tenant_id::text END"


def upgrade() -> None:
    op.add_column("tenants", sa.Column("plan", sa.String(length=20), nullable=True))
    op.create_table(
        "usage",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("documents", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_usage_tenant_id_tenants"),
        sa.PrimaryKeyConstraint("tenant_id", "month", name="pk_usage"),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE usage ENABLE ROW LEVEL SECURITY")
        op.execute("ALTER TABLE usage FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY own_tenant ON usage USING ({SEEN}) WITH CHECK ({SEEN})")


def downgrade() -> None:
    op.drop_table("usage")
    op.drop_column("tenants", "plan")
