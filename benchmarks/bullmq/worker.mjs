// A BullMQ worker: `node worker.mjs CONCURRENCY`.

import { Worker } from "bullmq";
import { openRows, seconds } from "./rows.mjs";

const concurrency = Number(process.argv[2]);
const rows = openRows(concurrency);
const name = String(process.pid);

const worker = new Worker(
  "bench",
  async (job) => {
    await rows.start(job.data.id, name);
    const ranAt = seconds();
    await rows.end(job.data.id, name, ranAt);
  },
  { connection: { url: process.env.REDIS_URL, maxRetriesPerRequest: null }, concurrency },
);
worker.on("error", (error) => console.error(error));
worker.on("failed", (_job, error) => console.error(error));

process.on("SIGTERM", async () => {
  await worker.close();
  await rows.close();
  process.exit(0);
});
