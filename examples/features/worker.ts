import { HANDLERS } from "./all-features.ts";

export default HANDLERS;
