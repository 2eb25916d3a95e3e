import { bulkRoutes } from "./bulk-routes.ts";
import { graphRoutes } from "./graph-routes.ts";
import { healthRoutes } from "./health-routes.ts";
import type { Route } from "./route.ts";
import { submitRoutes } from "./submit-routes.ts";
import { taskRoutes } from "./task-routes.ts";
import { watchRoutes } from "./watch-routes.ts";
import { workerRoutes } from "./worker-routes.ts";
import { yardRoutes } from "./yard-routes.ts";

/** All that the server answers, beside `/openapi.json`, which is made of it. */
export const ROUTES: readonly Route[] = [
  ...submitRoutes,
  ...taskRoutes,
  ...bulkRoutes,
  ...graphRoutes,
  ...yardRoutes,
  ...watchRoutes,
  ...workerRoutes,
  ...healthRoutes,
];
