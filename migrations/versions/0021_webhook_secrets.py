"""A secret of its own for each webhook, sealed, and the one before it for a while; webhooks that are paused"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("webhooks", sa.Column("secret", sa.Text(), nullable=True))
    op.add_column("webhooks", sa.Column("previous_secret", sa.Text(), nullable=True))
    op.add_column("webhooks", sa.Column("previous_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("webhooks", sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("webhooks", "paused_at")
    op.drop_column("webhooks", "previous_until")
    op.drop_column("webhooks", "previous_secret")
    op.drop_column("webhooks", "secret")
