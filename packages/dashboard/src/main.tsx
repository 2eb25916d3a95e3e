import { render } from "preact";
import { App } from "./app.tsx";
import { startLive } from "./live.ts";
import { followLinks } from "./router.ts";
import { start } from "./session.ts";
import { followTheme } from "./theme.ts";

const root = document.querySelector("#app");
if (root !== null) {
  followTheme();
  followLinks();
  startLive();
  render(<App />, root);
  void start();
}
