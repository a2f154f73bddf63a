-- A database as it is after two months of work. Words after a colon are numbers of filling.py; each part begins with its name.

-- part: helpers
CREATE FUNCTION pg_temp.thing(kind int, number bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
  $$ SELECT (lpad(to_hex(kind), 8, '0') || '-0000-4000-8000-' || lpad(to_hex(number), 12, '0'))::uuid $$;

-- part: tenants
INSERT INTO tenants (id, name, created_at) SELECT pg_temp.thing(1, n), 'Tenant ' || n, now() FROM generate_series(1, :TENANTS) n;

-- part: entities
INSERT INTO entities (id, tenant_id, name, created_at)
SELECT pg_temp.thing(2, n), pg_temp.thing(1, n), 'Books ' || n, now() FROM generate_series(1, :TENANTS) n;

-- part: counterparties
INSERT INTO counterparties (id, tenant_id, entity_id, role, name, name_key, distinct_by, created_at)
SELECT pg_temp.thing(3, n), pg_temp.thing(1, 1 + n % :TENANTS), pg_temp.thing(2, 1 + n % :TENANTS), 'vendor',
       'Vendor ' || md5(n::text), 'vendor ' || md5(n::text), '', now()
FROM generate_series(:TENANTS, :TENANTS * 101 - 1) n;

-- part: plan
CREATE TEMPORARY TABLE plan AS
SELECT n, tenant, status, created, created + interval '5 s' AS finished,
       CASE WHEN n % 3 = 0 THEN 'invoice' ELSE 'bill' END AS kind, md5((n / 33 % :CAUSES)::text) AS cause
FROM (
  SELECT n,
         1 + floor(:TENANTS * power(n * 0.6180339887 - floor(n * 0.6180339887), 3))::bigint AS tenant,
         CASE WHEN n <= :WAITING THEN 'waiting' WHEN n <= :WAITING + :DELAYED THEN 'delayed' WHEN n <= :OPEN THEN 'active'
              WHEN n % (:JOBS / :FAILED) = 0 THEN 'failed' ELSE 'completed' END AS status,
         CASE WHEN n <= :OPEN THEN now() - n * interval '20 ms'
              ELSE now() - interval '20 min' - (n - :OPEN) * interval '60 days' / :JOBS END AS created
  FROM generate_series(1::bigint, :JOBS) AS n
) AS one;

-- part: documents
INSERT INTO documents (id, tenant_id, entity_id, kind, filename, filename_key, media_type, size, sha256, storage_key, created_at)
SELECT pg_temp.thing(4, n), pg_temp.thing(1, tenant), pg_temp.thing(2, tenant), kind,
       CASE WHEN n % 2 = 0 THEN 'Scan-' ELSE 'File-' END || n || '.pdf', CASE WHEN n % 2 = 0 THEN 'scan-' ELSE 'file-' END || n || '.pdf',
       'application/pdf', 100000 + n, md5(n::text) || md5((-n)::text), 'key/' || n, created
FROM plan;

-- part: jobs
INSERT INTO jobs (id, tenant_id, document_id, queue, kind, status, priority, turn, progress, attempts, max_attempts, fence, worker,
                  run_at, lease_until, request_id, error_code, error_detail, error_origin, fingerprint, result, version, created_at,
                  started_at, finished_at, discarded_at, discard_reason, archived_at)
SELECT pg_temp.thing(5, n), pg_temp.thing(1, tenant), pg_temp.thing(4, n), kind || '-scan', kind, status, 0, n, 0, 1, 3, 1,
       CASE status WHEN 'active' THEN 'host/1:' || n || ':1' END,
       CASE status WHEN 'delayed' THEN now() + interval '1 hour' ELSE created END,
       CASE status WHEN 'active' THEN now() + interval '1 day' END,
       'request-' || n,
       CASE WHEN status IN ('failed', 'delayed') THEN 'damaged_' || n / 33 % :CAUSES END,
       CASE WHEN status IN ('failed', 'delayed') THEN 'Page ' || n || ' is damaged.' END,
       CASE WHEN status IN ('failed', 'delayed') THEN 'Unreadable in extraction.pdf.open' END,
       CASE WHEN status IN ('failed', 'delayed') THEN substr(cause, 1, 16) END,
       CASE status WHEN 'completed' THEN '{"confidence": 90, "routing": "draft", "reason": "All checks passed."}'::jsonb END,
       4, created,
       CASE WHEN status NOT IN ('waiting', 'delayed') THEN created + interval '2 s' END,
       CASE WHEN status IN ('completed', 'failed') THEN finished END,
       CASE WHEN status = 'failed' AND n % 10 = 0 THEN finished + interval '1 hour' END,
       CASE WHEN status = 'failed' AND n % 10 = 0 THEN 'sent again' END,
       CASE WHEN status = 'completed' AND n > :OPEN + 2000 OR status = 'failed' AND created < now() - interval '7 days' THEN now() END
FROM plan;

-- part: records
INSERT INTO records (id, tenant_id, entity_id, document_id, job_id, kind, status, counterparty_id, counterparty_name, number, date,
                     currency, subtotal, tax_amount, total_amount, credit_note, tax_breakdown, confidence, field_confidence, evidence,
                     checks, warnings, engine, model_version, version, created_at, updated_at)
SELECT pg_temp.thing(6, n), pg_temp.thing(1, tenant), pg_temp.thing(2, tenant), pg_temp.thing(4, n), pg_temp.thing(5, n), kind,
       CASE WHEN n % 50 = 0 THEN 'needs_review' ELSE 'approved' END,
       pg_temp.thing(3, tenant - 1 + :TENANTS * (1 + n % 100)), 'Vendor', 'RE-' || n, created::date, 'EUR', 10000, 1900, 11900, false,
       '[]', 90, '{}', '{}', '[]', '[]', 'text', '1', 1, finished, finished
FROM plan WHERE status = 'completed';

-- part: attempts
INSERT INTO attempts (id, job_id, number, worker, due_at, started_at, ended_at, outcome)
SELECT gen_random_uuid(), id, 1, 'host/1:7:1', created_at, started_at, finished_at, status FROM jobs WHERE finished_at IS NOT NULL;

-- part: audit entries
INSERT INTO audit_log (id, tenant_id, actor, role, action, target, reason, address, request_id, outcome, created_at)
SELECT gen_random_uuid(), tenant_id, 'key:' || tenant_id, 'OWNER', 'document.upload', 'document:' || document_id, '', '192.0.2.7',
       request_id, 'done', created_at
FROM jobs;

-- part: history
INSERT INTO history (id, minutes, at, queue, tenant_id, completed, failed, retried, lost, waits, runs, waiting, delayed, active, dead,
                     oldest_wait)
SELECT gen_random_uuid(), size,
       to_timestamp(floor(extract(epoch FROM now()) / (size * 60)) * size * 60) - step * size * interval '1 min', queue,
       CASE WHEN n > 0 THEN pg_temp.thing(1, n) END, 36, 1, 1, 0, '{"6": 3, "9": 20, "12": 11, "15": 2}',
       '{"12": 9, "15": 17, "18": 8, "24": 2}', 12, 3, 2, 40, 17.5
FROM (VALUES (1, 180), (15, 288), (60, 768)) AS kept (size, steps), generate_series(0, steps - 1) AS step,
     (VALUES ('bill-scan'), ('invoice-scan')) AS queues (queue), generate_series(0, :TENANTS) AS n;
