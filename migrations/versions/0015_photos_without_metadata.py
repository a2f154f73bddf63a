"""Photos without metadata: the checksum of what is stored, where that is not what was sent"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("documents", sa.Column("stored_sha256", sa.String(64), nullable=True))


def downgrade() -> None:
    op.drop_column("documents", "stored_sha256")
