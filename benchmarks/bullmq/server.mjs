// The original's design rebuilt: Fastify takes an upload, Postgres has its row, BullMQ its job. `server.mjs VARIANT PORT PROCESSES`.
//   id      the file is made safe on disk first, the message carries its id: as durable as ours
//   base64  the message carries the whole file: nothing on disk, everything in Redis

import cluster from "node:cluster";
import { createHash, randomUUID } from "node:crypto";
import { mkdir, open, rename } from "node:fs/promises";
import multipart from "@fastify/multipart";
import Fastify from "fastify";
import { Queue } from "bullmq";
import pg from "pg";

const [variant, port, processes] = process.argv.slice(2);
const LIMIT = 10 * 1024 * 1024;
const FILES = `${process.env.DATA_DIR}/files`;

if (cluster.isPrimary) {
  await mkdir(FILES, { recursive: true });
  for (let n = 0; n < Number(processes); n++) cluster.fork();
  process.on("SIGTERM", () => {
    for (const worker of Object.values(cluster.workers)) worker.kill("SIGTERM");
    process.exit(0);
  });
} else {
  await serve();
}

// Whole or not at all, and safe from a power cut, as the storage of ours.
async function store(id, data) {
  const file = await open(`${FILES}/.${id}`, "w");
  await file.write(data);
  await file.sync();
  await file.close();
  await rename(`${FILES}/.${id}`, `${FILES}/${id}`);
  const directory = await open(FILES, "r");
  await directory.sync();
  await directory.close();
}

async function serve() {
  const rows = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 });
  const queue = new Queue("scan", { connection: { url: process.env.REDIS_URL } });
  const app = Fastify({ logger: false, bodyLimit: LIMIT + 4096 });
  await app.register(multipart, { limits: { fileSize: LIMIT, files: 1 } });

  app.post("/scan", async (request, reply) => {
    const part = await request.file();
    const data = await part.toBuffer();
    const id = randomUUID();
    const sha256 = createHash("sha256").update(data).digest("hex");
    if (variant === "id") await store(id, data);
    const row = "INSERT INTO documents (id, sha256, size, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT (sha256) DO NOTHING";
    await rows.query(row, [id, sha256, data.length, new Date()]);
    const message = variant === "id" ? { id } : { id, data: data.toString("base64"), name: part.filename };
    await queue.add("scan", message, { jobId: id, attempts: 3, backoff: { type: "exponential", delay: 2000 } });
    return reply.code(202).send({ jobId: id, status: "queued" });
  });

  app.get("/jobs/:id", async (request, reply) => {
    const job = await queue.getJob(request.params.id);
    if (!job) return reply.code(404).send({ error: "not found" });
    return { jobId: job.id, status: await job.getState(), progress: job.progress, attempts: job.attemptsMade };
  });

  app.get("/health", async () => ({ status: "ok" }));
  await app.listen({ host: "127.0.0.1", port: Number(port) });
}
