// The client of benchmarks/queues/sender.py in Node: the same orders, the same answers.

import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { Queue } from "bullmq";
import { openRows, seconds } from "./rows.mjs";

const WARM_SHARE = 20;
const WARM_IDLE = 5;
const POLL_MS = 10;
const PATIENCE_SECONDS = 60;

const rows = openRows(2);
const queue = new Queue("bench", {
  connection: { url: process.env.REDIS_URL },
  defaultJobOptions: { removeOnComplete: true },
});

async function send() {
  const id = randomUUID();
  await rows.enter(id);
  await queue.add("run", { id });
  return id;
}

async function backlog(count) {
  const warm = Math.max(1, Math.floor(count / WARM_SHARE));
  for (let n = 0; n < warm; n++) await send();
  const [started, worked] = [seconds(), process.cpuUsage()];
  for (let n = warm; n < count; n++) await send();
  const { user, system } = process.cpuUsage(worked);
  return { per_s: (count - warm) / (seconds() - started), cpu_ms: (user + system) / 1000 / (count - warm) };
}

async function idle(count) {
  const asked = {};
  for (let n = 0; n < count + WARM_IDLE; n++) {
    const at = seconds();
    const id = await send();
    if (n >= WARM_IDLE) asked[id] = at;
    while ((await rows.status(id)) !== "completed") {
      if (seconds() - at > PATIENCE_SECONDS) throw new Error(`job ${id} did not end in ${PATIENCE_SECONDS} s`);
      await pause(POLL_MS);
    }
    await pause(20 + Math.random() * 40);
  }
  return asked;
}

for await (const line of createInterface({ input: process.stdin })) {
  const [order, count] = line.split(" ");
  console.log(JSON.stringify(await { backlog, idle }[order](Number(count))));
}
await queue.close();
await rows.close();
