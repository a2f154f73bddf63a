"""Counterparties by tax id, IBAN and name; duplicates; what corrections teach; a tenant's own lines of routing"""

import re

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

SAID = "current_setting('akount.tenant', true)"
SEEN = f"CASE WHEN {SAID} = '*' THEN true ELSE {SAID} = tenant_id::text END"
NEW_TABLES = ("counterparty_accounts", "lessons")


def upgrade() -> None:
    op.add_column("tenants", sa.Column("auto_create_confidence", sa.Integer(), nullable=True))
    op.add_column("tenants", sa.Column("auto_create_limit", sa.BigInteger(), nullable=True))
    op.add_column("records", sa.Column("learned", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True))
    with op.batch_alter_table("records") as batch_op:
        batch_op.add_column(sa.Column("duplicate_of", sa.Uuid(), nullable=True))
        batch_op.create_foreign_key(batch_op.f("fk_records_duplicate_of_records"), "records", ["duplicate_of"], ["id"])
        batch_op.create_index(batch_op.f("ix_records_duplicate_of"), ["duplicate_of"], unique=False)
    _compare_tax_ids()
    with op.batch_alter_table("counterparties") as batch_op:
        batch_op.add_column(sa.Column("distinct_by", sa.String(length=40), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("suspicion", sa.Text(), nullable=True))
        batch_op.drop_constraint("uq_counterparties_entity_id_role_name_key", type_="unique")
        batch_op.create_unique_constraint(
            batch_op.f("uq_counterparties_entity_id_role_name_key_distinct_by"), ["entity_id", "role", "name_key", "distinct_by"]
        )
        batch_op.create_unique_constraint(batch_op.f("uq_counterparties_entity_id_role_tax_id"), ["entity_id", "role", "tax_id"])
    with op.batch_alter_table("counterparties") as batch_op:
        batch_op.alter_column("distinct_by", existing_type=sa.String(length=40), existing_nullable=False, server_default=None)
    _make_tables()


def _compare_tax_ids() -> None:
    """As they are compared from now on, each once: the first counterparty of an entity keeps it."""
    connection, seen = op.get_bind(), set()
    rows = connection.execute(
        sa.text("SELECT id, entity_id, role, tax_id FROM counterparties WHERE tax_id IS NOT NULL ORDER BY created_at")
    )
    for row in rows.all():
        key = re.sub(r"[^A-Z0-9]", "", row.tax_id.upper())[:40] or None
        mine = (str(row.entity_id), row.role, key)
        kept = None if mine in seen else key
        seen.add(mine)
        connection.execute(sa.text("UPDATE counterparties SET tax_id = :kept WHERE id = :id"), {"kept": kept, "id": row.id})


def _make_tables() -> None:
    op.create_table(
        "counterparty_accounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("counterparty_id", sa.Uuid(), nullable=False),
        sa.Column("entity_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("iban", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["counterparty_id"], ["counterparties.id"], name="fk_counterparty_accounts_counterparty_id_counterparties"
        ),
        sa.ForeignKeyConstraint(["entity_id"], ["entities.id"], name="fk_counterparty_accounts_entity_id_entities"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_counterparty_accounts_tenant_id_tenants"),
        sa.PrimaryKeyConstraint("id", name="pk_counterparty_accounts"),
        sa.UniqueConstraint("entity_id", "role", "iban", name="uq_counterparty_accounts_entity_id_role_iban"),
    )
    op.create_index("ix_counterparty_accounts_counterparty_id", "counterparty_accounts", ["counterparty_id"])
    op.create_index("ix_counterparty_accounts_tenant_id", "counterparty_accounts", ["tenant_id"])
    op.create_table(
        "lessons",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("sort", sa.String(length=20), nullable=False),
        sa.Column("key", sa.String(length=300), nullable=False),
        sa.Column("field", sa.String(length=20), nullable=False),
        sa.Column("machine", sa.Text(), nullable=True),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["record_id"], ["records.id"], name="fk_lessons_record_id_records"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_lessons_tenant_id_tenants"),
        sa.PrimaryKeyConstraint("id", name="pk_lessons"),
        sa.UniqueConstraint("tenant_id", "role", "sort", "key", "field", name="uq_lessons_tenant_id_role_sort_key_field"),
    )
    op.create_index("ix_lessons_record_id", "lessons", ["record_id"])
    if op.get_bind().dialect.name == "postgresql":
        for table in NEW_TABLES:
            op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
            op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
            op.execute(f"CREATE POLICY own_tenant ON {table} USING ({SEEN}) WITH CHECK ({SEEN})")


def downgrade() -> None:
    for table in NEW_TABLES:
        op.drop_table(table)  # its policy goes with it
    _one_of_a_name()
    with op.batch_alter_table("counterparties") as batch_op:
        batch_op.drop_constraint("uq_counterparties_entity_id_role_tax_id", type_="unique")
        batch_op.drop_constraint("uq_counterparties_entity_id_role_name_key_distinct_by", type_="unique")
        batch_op.create_unique_constraint("uq_counterparties_entity_id_role_name_key", ["entity_id", "role", "name_key"])
        batch_op.drop_column("suspicion")
        batch_op.drop_column("distinct_by")
    with op.batch_alter_table("records") as batch_op:
        batch_op.drop_index("ix_records_duplicate_of")
        batch_op.drop_constraint("fk_records_duplicate_of_records", type_="foreignkey")
        batch_op.drop_column("duplicate_of")
        batch_op.drop_column("learned")
    with op.batch_alter_table("tenants") as batch_op:
        batch_op.drop_column("auto_create_limit")
        batch_op.drop_column("auto_create_confidence")


def _one_of_a_name() -> None:
    """The older schema has one counterparty of a name: the others' records name none any more."""
    op.execute(
        "UPDATE records SET counterparty_id = NULL WHERE counterparty_id IN (SELECT id FROM counterparties WHERE distinct_by <> '')"
    )
    op.execute("DELETE FROM counterparties WHERE distinct_by <> ''")
