"""What the console asks: jobs by when they came and since when they are due, records to review, audit entries by their target."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

CLAIMABLE = sa.text("status IN ('waiting', 'delayed')")
REVIEW = sa.text("status IN ('needs_review', 'manual_entry')")


def upgrade() -> None:
    op.create_index("ix_jobs_created", "jobs", ["created_at", "id"])
    op.create_index("ix_jobs_tenant", "jobs", ["tenant_id", "created_at", "id"])
    op.create_index("ix_jobs_due", "jobs", ["queue", "run_at"], sqlite_where=CLAIMABLE, postgresql_where=CLAIMABLE)
    op.create_index("ix_records_review", "records", ["tenant_id", "created_at"], sqlite_where=REVIEW, postgresql_where=REVIEW)
    op.create_index("ix_audit_log_target", "audit_log", ["target", "created_at"])


def downgrade() -> None:
    op.drop_index("ix_audit_log_target", "audit_log")
    op.drop_index("ix_records_review", "records")
    op.drop_index("ix_jobs_due", "jobs")
    op.drop_index("ix_jobs_tenant", "jobs")
    op.drop_index("ix_jobs_created", "jobs")
