import { startRedis } from "../../../servers/redis.ts";
import { serverTests } from "../../yardmaster/test/server-tests.ts";
import { dashboardSuite } from "./dashboard-suite.ts";
import { Scene } from "./scene.ts";

async function open(): Promise<{ readonly scene: Scene; stop(): Promise<void> }> {
  const redis = await startRedis();
  try {
    const scene = await Scene.open(redis.yardUrl());
    const stop = async (): Promise<void> => {
      await scene.stop();
      await redis.stop();
    };
    return { scene, stop };
  } catch (error) {
    await redis.stop();
    throw error;
  }
}

await serverTests("The dashboard on Redis", open, ({ scene }) => dashboardSuite("Redis", scene));
