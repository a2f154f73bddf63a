"""Found by name and number: indexes of file names, numbers, checksums and counterparties"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("counterparties", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_counterparties_tenant_id"))
        batch_op.create_index(
            "ix_counterparties_name", ["tenant_id", "name_key"], unique=False, postgresql_ops={"name_key": "text_pattern_ops"}
        )

    with op.batch_alter_table("documents", schema=None) as batch_op:
        batch_op.add_column(sa.Column("filename_key", sa.String(length=255), nullable=True))
    op.execute("UPDATE documents SET filename_key = substr(lower(filename), 1, 255)")
    with op.batch_alter_table("documents", schema=None) as batch_op:
        batch_op.alter_column("filename_key", existing_type=sa.String(length=255), nullable=False)
        batch_op.create_index(
            "ix_documents_name", ["tenant_id", "filename_key"], unique=False, postgresql_ops={"filename_key": "text_pattern_ops"}
        )
        batch_op.create_index("ix_documents_sha256", ["sha256"], unique=False)

    with op.batch_alter_table("records", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_records_counterparty_id"))
        batch_op.create_index(
            "ix_records_number", ["tenant_id", "number"], unique=False, postgresql_ops={"number": "text_pattern_ops"}
        )
        batch_op.create_index("ix_records_party", ["counterparty_id", "created_at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("records", schema=None) as batch_op:
        batch_op.drop_index("ix_records_party")
        batch_op.drop_index("ix_records_number", postgresql_ops={"number": "text_pattern_ops"})
        batch_op.create_index(batch_op.f("ix_records_counterparty_id"), ["counterparty_id"], unique=False)

    with op.batch_alter_table("documents", schema=None) as batch_op:
        batch_op.drop_index("ix_documents_sha256")
        batch_op.drop_index("ix_documents_name", postgresql_ops={"filename_key": "text_pattern_ops"})
        batch_op.drop_column("filename_key")

    with op.batch_alter_table("counterparties", schema=None) as batch_op:
        batch_op.drop_index("ix_counterparties_name", postgresql_ops={"name_key": "text_pattern_ops"})
        batch_op.create_index(batch_op.f("ix_counterparties_tenant_id"), ["tenant_id"], unique=False)
