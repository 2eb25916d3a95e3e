import { placementHandlers } from "./placements.ts";

export default placementHandlers;
