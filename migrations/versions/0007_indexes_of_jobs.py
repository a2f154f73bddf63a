"""Indexes of jobs"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_jobs_history"))
        batch_op.drop_index(batch_op.f("ix_jobs_history_status"))
        batch_op.drop_index(batch_op.f("ix_jobs_lease"))
        batch_op.create_index(
            "ix_jobs_active",
            ["started_at"],
            unique=False,
            sqlite_where=sa.text("status = 'active'"),
            postgresql_where=sa.text("status = 'active'"),
        )
        batch_op.create_index(
            "ix_jobs_dead",
            ["tenant_id", "finished_at", "id"],
            unique=False,
            sqlite_where=sa.text("status = 'failed' AND discarded_at IS NULL"),
            postgresql_where=sa.text("status = 'failed' AND discarded_at IS NULL"),
        )
        batch_op.create_index(
            "ix_jobs_over",
            ["queue", "status", "finished_at"],
            unique=False,
            sqlite_where=sa.text("status IN ('completed', 'failed', 'cancelled')"),
            postgresql_where=sa.text("status IN ('completed', 'failed', 'cancelled')"),
        )


def downgrade() -> None:
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_jobs_over",
            sqlite_where=sa.text("status IN ('completed', 'failed', 'cancelled')"),
            postgresql_where=sa.text("status IN ('completed', 'failed', 'cancelled')"),
        )
        batch_op.drop_index(
            "ix_jobs_dead",
            sqlite_where=sa.text("status = 'failed' AND discarded_at IS NULL"),
            postgresql_where=sa.text("status = 'failed' AND discarded_at IS NULL"),
        )
        batch_op.drop_index(
            "ix_jobs_active", sqlite_where=sa.text("status = 'active'"), postgresql_where=sa.text("status = 'active'")
        )
        batch_op.create_index(batch_op.f("ix_jobs_lease"), ["status", "lease_until"], unique=False)
        batch_op.create_index(batch_op.f("ix_jobs_history_status"), ["queue", "status", "finished_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_jobs_history"), ["tenant_id", "status", "created_at"], unique=False)
