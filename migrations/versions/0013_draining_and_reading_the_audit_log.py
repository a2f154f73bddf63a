"""Workers that are to drain; indexes by which the audit log is read"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

INDEXES = {"created": ["created_at", "id"], "actor": ["actor", "created_at"], "action": ["action", "created_at"]}


def upgrade() -> None:
    op.add_column("workers", sa.Column("drain_at", sa.DateTime(timezone=True)))
    for name, columns in INDEXES.items():
        op.create_index(f"ix_audit_log_{name}", "audit_log", columns)


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(f"ix_audit_log_{name}", "audit_log")
    op.drop_column("workers", "drain_at")
