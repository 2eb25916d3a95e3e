import { queueHandlers } from "./queues.ts";

export default queueHandlers;
