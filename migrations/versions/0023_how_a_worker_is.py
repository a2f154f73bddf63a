"""What a worker tells of itself with each beat: its memory, whether its models are loaded, how many pages it read lately"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

COLUMNS = {"memory": sa.BigInteger(), "models_loaded": sa.Boolean(), "pages_lately": sa.Integer()}


def upgrade() -> None:
    for name, kind in COLUMNS.items():
        op.add_column("workers", sa.Column(name, kind, nullable=True))


def downgrade() -> None:
    for name in reversed(COLUMNS):
        op.drop_column("workers", name)
