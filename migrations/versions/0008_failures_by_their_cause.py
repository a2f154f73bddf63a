"""Failures by their cause: a fingerprint on each failed job, notes and mutes"""

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "failure_notes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("fingerprint", sa.String(length=16), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("muted_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_by", sa.String(length=80), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_failure_notes_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_failure_notes")),
    )
    with op.batch_alter_table("failure_notes", schema=None) as batch_op:
        batch_op.create_index("uq_failure_notes", ["tenant_id", "fingerprint"], unique=True)
        batch_op.create_index(
            "uq_failure_notes_all",
            ["fingerprint"],
            unique=True,
            sqlite_where=sa.text("tenant_id IS NULL"),
            postgresql_where=sa.text("tenant_id IS NULL"),
        )

    with op.batch_alter_table("attempts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("error_origin", sa.String(length=160), nullable=True))
        batch_op.add_column(sa.Column("error_frames", sa.Text(), nullable=True))

    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("error_origin", sa.String(length=160), nullable=True))
        batch_op.add_column(sa.Column("fingerprint", sa.String(length=16), nullable=True))
        batch_op.create_index(
            "ix_jobs_delayed",
            ["fingerprint", "tenant_id", "queue"],
            unique=False,
            sqlite_where=sa.text("status = 'delayed'"),
            postgresql_where=sa.text("status = 'delayed'"),
        )
        batch_op.create_index(
            "ix_jobs_failed",
            ["finished_at", "fingerprint", "tenant_id", "queue"],
            unique=False,
            sqlite_where=sa.text("status = 'failed' AND discarded_at IS NULL"),
            postgresql_where=sa.text("status = 'failed' AND discarded_at IS NULL"),
        )
        batch_op.create_index(
            "ix_jobs_group",
            ["fingerprint", "finished_at", "id"],
            unique=False,
            sqlite_where=sa.text("status = 'failed' AND discarded_at IS NULL"),
            postgresql_where=sa.text("status = 'failed' AND discarded_at IS NULL"),
        )

    _name_the_old()
    if op.get_bind().dialect.name == "postgresql":
        seen = "current_setting('akount.tenant', true) IN ('*', tenant_id::text)"
        op.execute("ALTER TABLE failure_notes ENABLE ROW LEVEL SECURITY")
        op.execute("ALTER TABLE failure_notes FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY own_tenant ON failure_notes USING ({seen}) WITH CHECK ({seen})")


def _name_the_old() -> None:
    """Of what failed before, the code is all that is known of the cause."""
    jobs = sa.table("jobs", *(sa.column(name) for name in ("queue", "status", "error_code", "fingerprint")))
    failed = jobs.c.status == "failed"
    known = sa.select(jobs.c.queue, jobs.c.error_code).where(failed, jobs.c.error_code.is_not(None)).distinct()
    for queue, code in op.get_bind().execute(known).all():
        fingerprint = hashlib.sha256(f"{queue}\n{code}".encode()).hexdigest()[:16]
        same = (failed, jobs.c.queue == queue, jobs.c.error_code == code)
        op.execute(jobs.update().where(*same).values(fingerprint=fingerprint))


def downgrade() -> None:
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_jobs_group",
            sqlite_where=sa.text("status = 'failed' AND discarded_at IS NULL"),
            postgresql_where=sa.text("status = 'failed' AND discarded_at IS NULL"),
        )
        batch_op.drop_index(
            "ix_jobs_failed",
            sqlite_where=sa.text("status = 'failed' AND discarded_at IS NULL"),
            postgresql_where=sa.text("status = 'failed' AND discarded_at IS NULL"),
        )
        batch_op.drop_index(
            "ix_jobs_delayed", sqlite_where=sa.text("status = 'delayed'"), postgresql_where=sa.text("status = 'delayed'")
        )
        batch_op.drop_column("fingerprint")
        batch_op.drop_column("error_origin")

    with op.batch_alter_table("attempts", schema=None) as batch_op:
        batch_op.drop_column("error_frames")
        batch_op.drop_column("error_origin")

    with op.batch_alter_table("failure_notes", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_failure_notes_all", sqlite_where=sa.text("tenant_id IS NULL"), postgresql_where=sa.text("tenant_id IS NULL")
        )
        batch_op.drop_index("uq_failure_notes")

    op.drop_table("failure_notes")
