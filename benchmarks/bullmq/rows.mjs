// The job row of benchmarks/queues/rows.py, kept with `pg` and its pool: one commit to submit, one to start, one to end.

import { randomUUID } from "node:crypto";
import pg from "pg";

const url = process.env.DATABASE_URL;

export function openRows(connections) {
  const pool = new pg.Pool({ connectionString: url, max: connections });
  return {
    async enter(id) {
      await pool.query("INSERT INTO jobs (id, status, created_at) VALUES ($1, 'waiting', $2)", [id, new Date()]);
    },
    async start(id, worker) {
      const moved = "UPDATE jobs SET status = 'active', worker = $2, started_at = $3 WHERE id = $1";
      await pool.query(moved, [id, worker, new Date()]);
    },
    async end(id, worker, ranAt) {
      const client = await pool.connect();
      try {
        await client.query("BEGIN");
        await client.query("UPDATE jobs SET status = 'completed', finished_at = $2 WHERE id = $1", [id, new Date()]);
        const result = "INSERT INTO results (id, job_id, worker, ran_at) VALUES ($1, $2, $3, $4)";
        await client.query(result, [randomUUID(), id, worker, ranAt]);
        await client.query("COMMIT");
      } finally {
        client.release();
      }
    },
    async status(id) {
      const found = await pool.query("SELECT status FROM jobs WHERE id = $1", [id]);
      return found.rows[0]?.status;
    },
    close: () => pool.end(),
  };
}

// Seconds since 1970, finer than a millisecond.
export const seconds = () => (performance.timeOrigin + performance.now()) / 1000;
