import { startDispatcher } from "yardmaster";
import { serve } from "./role.ts";

const dispatcher = await startDispatcher({ url: process.argv[2] ?? "" });
serve({}, () => dispatcher.close());
