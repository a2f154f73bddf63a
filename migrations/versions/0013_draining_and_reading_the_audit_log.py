"""Workers that are to drain; indexes by which the audit log is read, and the queues' history without what has left it"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

INDEXES = {"created": ["created_at", "id"], "actor": ["actor", "created_at"], "action": ["action", "created_at"]}
OVER = sa.text("status IN ('completed', 'failed', 'cancelled')")
KEPT = sa.text("status IN ('completed', 'failed', 'cancelled') AND archived_at IS NULL")


def upgrade() -> None:
    op.drop_index("ix_jobs_over", "jobs")
    op.create_index(
        "ix_jobs_kept", "jobs", ["queue", "status", "finished_at", "tenant_id"], sqlite_where=KEPT, postgresql_where=KEPT
    )
    op.add_column("workers", sa.Column("drain_at", sa.DateTime(timezone=True)))
    for name, columns in INDEXES.items():
        op.create_index(f"ix_audit_log_{name}", "audit_log", columns)


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(f"ix_audit_log_{name}", "audit_log")
    op.drop_column("workers", "drain_at")
    op.drop_index("ix_jobs_kept", "jobs")
    op.create_index("ix_jobs_over", "jobs", ["queue", "status", "finished_at"], sqlite_where=OVER, postgresql_where=OVER)
