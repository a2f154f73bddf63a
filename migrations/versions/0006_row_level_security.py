"""Row-level security: a tenant's request sees and writes its own tenant's rows, also where a filter was forgotten (A4).

Who asks says for whom by the setting `akount.tenant`: a tenant's id, or `*` for those who serve all (db.SEES_ALL). Without
it nothing is seen. The policies are forced, so that they hold for the owner of the tables too; a superuser is beyond them.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SAID = "current_setting('akount.tenant', true)"
OWN = (
    "api_keys",
    "audit_log",
    "counterparties",
    "decisions",
    "documents",
    "entities",
    "idempotency_keys",
    "jobs",
    "memberships",
    "operations",
    "pauses",
    "records",
    "sessions",
)
"""Tables whose rows name their tenant."""
PARTS = {"attempts": ("jobs", "job_id"), "record_lines": ("records", "record_id")}
"""Tables whose rows belong to a row that does."""


def conditions() -> dict[str, str]:
    """Table → which of its rows are seen."""
    own = dict.fromkeys(OWN, f"{SAID} IN ('*', tenant_id::text)") | {"tenants": f"{SAID} IN ('*', id::text)"}
    parts = {
        table: f"{SAID} = '*' OR EXISTS (SELECT 1 FROM {whole} WHERE {whole}.id = {table}.{key})"
        for table, (whole, key) in PARTS.items()
    }
    return own | parts


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, seen in conditions().items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY own_tenant ON {table} USING ({seen}) WITH CHECK ({seen})")


def downgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in conditions():
        op.execute(f"DROP POLICY own_tenant ON {table}")
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
