"""Who may come in: Clerk's organisations and users, passwords, sessions, operators outside all tenants, scopes of keys"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=True),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("user_agent", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_sessions_tenant_id_tenants")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("hash", name=op.f("uq_sessions_hash")),
    )
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sessions_expires_at"), ["expires_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_sessions_user_id"), ["user_id"], unique=False)

    with op.batch_alter_table("api_keys", schema=None) as batch_op:
        batch_op.add_column(sa.Column("scopes", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True))
        batch_op.add_column(sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.alter_column("tenant_id", existing_type=sa.Uuid(), nullable=True)
    op.execute("UPDATE api_keys SET tenant_id = NULL WHERE role = 'operator'")  # an operator is outside all tenants

    with op.batch_alter_table("memberships", schema=None) as batch_op:
        batch_op.add_column(sa.Column("role_as_of", sa.DateTime(timezone=True), nullable=True))

    with op.batch_alter_table("tenants", schema=None) as batch_op:
        batch_op.add_column(sa.Column("clerk_org_id", sa.String(length=64), nullable=True))
        batch_op.create_unique_constraint(batch_op.f("uq_tenants_clerk_org_id"), ["clerk_org_id"])

    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.add_column(sa.Column("clerk_id", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("password_hash", sa.String(length=200), nullable=True))
        batch_op.add_column(sa.Column("operator", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.alter_column("email", existing_type=sa.String(length=320), nullable=True)
        batch_op.create_unique_constraint(batch_op.f("uq_users_clerk_id"), ["clerk_id"])
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.alter_column("operator", existing_type=sa.Boolean(), existing_nullable=False, server_default=None)


def downgrade() -> None:
    # what the older schema has no place for: people without an address, keys outside all tenants
    op.execute("UPDATE users SET email = clerk_id || '@clerk.invalid' WHERE email IS NULL")
    op.execute("DELETE FROM api_keys WHERE tenant_id IS NULL")
    op.drop_table("sessions")

    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("uq_users_clerk_id"), type_="unique")
        batch_op.alter_column("email", existing_type=sa.String(length=320), nullable=False)
        batch_op.drop_column("operator")
        batch_op.drop_column("password_hash")
        batch_op.drop_column("clerk_id")

    with op.batch_alter_table("tenants", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("uq_tenants_clerk_org_id"), type_="unique")
        batch_op.drop_column("clerk_org_id")

    with op.batch_alter_table("memberships", schema=None) as batch_op:
        batch_op.drop_column("role_as_of")

    with op.batch_alter_table("api_keys", schema=None) as batch_op:
        batch_op.alter_column("tenant_id", existing_type=sa.Uuid(), nullable=False)
        batch_op.drop_column("expires_at")
        batch_op.drop_column("scopes")
