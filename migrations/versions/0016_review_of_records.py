"""Review of records: corrections beside the machine's values, who approved, tombstones of erased documents"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

SAID = "current_setting('akount.tenant', true)"
SEEN = f"CASE WHEN {SAID} = '*' THEN true ELSE {SAID} = tenant_id::text END"


def _json() -> sa.JSON:
    return sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("documents", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("documents", sa.Column("erased_by", sa.String(length=80), nullable=True))
    op.add_column("records", sa.Column("reviewed_by", sa.String(length=80), nullable=True))
    op.add_column("records", sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("records", sa.Column("review_reason", sa.Text(), nullable=True))
    op.add_column("record_lines", sa.Column("evidence", _json(), nullable=True))
    with op.batch_alter_table("decisions") as batch_op:
        batch_op.alter_column("record_id", existing_type=sa.Uuid(), nullable=True)
        batch_op.drop_index("ix_decisions_tenant_id")
        batch_op.create_index("ix_decisions_log", ["tenant_id", "created_at"], unique=False)
    op.create_table(
        "corrections",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("field", sa.String(length=40), nullable=False),
        sa.Column("before", _json(), nullable=False),
        sa.Column("after", _json(), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["record_id"], ["records.id"], name=op.f("fk_corrections_record_id_records")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_corrections_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corrections")),
    )
    with op.batch_alter_table("corrections") as batch_op:
        batch_op.create_index(batch_op.f("ix_corrections_record_id"), ["record_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_corrections_tenant_id"), ["tenant_id"], unique=False)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE corrections ENABLE ROW LEVEL SECURITY")
        op.execute("ALTER TABLE corrections FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY own_tenant ON corrections USING ({SEEN}) WITH CHECK ({SEEN})")


def downgrade() -> None:
    op.drop_table("corrections")  # its policy goes with it
    op.execute("DELETE FROM decisions WHERE record_id IS NULL")
    with op.batch_alter_table("decisions") as batch_op:
        batch_op.drop_index("ix_decisions_log")
        batch_op.create_index("ix_decisions_tenant_id", ["tenant_id"], unique=False)
        batch_op.alter_column("record_id", existing_type=sa.Uuid(), nullable=False)
    with op.batch_alter_table("record_lines") as batch_op:
        batch_op.drop_column("evidence")
    with op.batch_alter_table("records") as batch_op:
        batch_op.drop_column("review_reason")
        batch_op.drop_column("reviewed_at")
        batch_op.drop_column("reviewed_by")
    with op.batch_alter_table("documents") as batch_op:
        batch_op.drop_column("erased_by")
        batch_op.drop_column("erased_at")
