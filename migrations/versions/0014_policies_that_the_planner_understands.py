"""Row-level security in words that the planner understands.

Of `setting IN ('*', tenant_id::text)` it supposes that one row in two hundred is seen, of each table, and chooses its plans by
that: with a million jobs the newest fifty were found by sorting all of them. Of a CASE it supposes one in two.
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

SAID = "current_setting('akount.tenant', true)"
OWNER = {"tenants": "id"}
"""Where it is not `tenant_id` that names the tenant."""
PARTS = {"attempts": ("jobs", "job_id"), "record_lines": ("records", "record_id")}
OWN = (
    *("api_keys", "audit_log", "counterparties", "decisions", "documents", "entities", "failure_notes", "history"),
    *("idempotency_keys", "jobs", "memberships", "operations", "pauses", "records", "sessions", "tenants"),
)


def upgrade() -> None:
    own = {table: f"{SAID} = {OWNER.get(table, 'tenant_id')}::text" for table in OWN}
    parts = {t: f"EXISTS (SELECT 1 FROM {whole} WHERE {whole}.id = {t}.{key})" for t, (whole, key) in PARTS.items()}
    change({table: f"CASE WHEN {SAID} = '*' THEN true ELSE {seen} END" for table, seen in (own | parts).items()})


def downgrade() -> None:
    own = {table: f"{SAID} IN ('*', {OWNER.get(table, 'tenant_id')}::text)" for table in OWN}
    parts = {t: f"{SAID} = '*' OR EXISTS (SELECT 1 FROM {whole} WHERE {whole}.id = {t}.{key})" for t, (whole, key) in PARTS.items()}
    change(own | parts)


def change(seen: dict[str, str]) -> None:
    """Table → which of its rows are seen and written."""
    if op.get_bind().dialect.name == "postgresql":
        for table, condition in seen.items():
            op.execute(f"ALTER POLICY own_tenant ON {table} USING ({condition}) WITH CHECK ({condition})")
