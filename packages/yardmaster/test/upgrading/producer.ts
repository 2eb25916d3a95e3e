/**
 * Submits squares in a few lanes until SIGTERM, each lane's next when its last one has ended: `producer.ts URL FIRST`.
 * With a number after them, it first submits so many that wait in a paused queue.
 */
import { connect } from "yardmaster";
import { later, square, squareLater } from "./squares.ts";

const LANES = 4;

const [url = "", first = "0", waiting = "0"] = process.argv.slice(2);
const yard = await connect(url);
let next = Number(first);
let isAsked = false;
process.once("SIGTERM", () => {
  isAsked = true;
});

async function submitAll(): Promise<void> {
  while (!isAsked) {
    const input = next++;
    const task = await yard.submit(square, input, { delayMs: input % 5 === 0 ? 30 : 0 });
    console.log(`sent ${input} ${task.id}`);
    console.log(`ended ${input} ${await task.result()}`);
  }
}

async function submitLater(count: number): Promise<void> {
  await yard.apply([later]);
  await yard.pause(later.name);
  for (let input = 0; input < count; input += 1) {
    const task = await yard.submit(squareLater, input);
    await task.accepted();
    console.log(`later ${input} ${task.id}`);
  }
}

if (waiting !== "0") await submitLater(Number(waiting));
console.log("producer is ready");
await Promise.all(Array.from({ length: LANES }, submitAll));
await yard.close();
