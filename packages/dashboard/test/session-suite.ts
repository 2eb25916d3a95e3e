import { expect, it } from "vitest";
import type { Scene } from "./scene.ts";

/** Who gets in, and how. */
export function sessionTests(scene: Scene): void {
  it("signs in with a pasted token, and says what is wrong with another", async () => {
    const page = await scene.window();
    await page.goto(`${scene.stage.server.url}/queues`);
    await page.getByLabel("Token").fill("ymt_nobody");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("The server does not know this token.").waitFor();
    await page.getByLabel("Token").fill(scene.stage.tokens.producer);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("A producer's token submits tasks").waitFor();
    await page.getByLabel("Token").fill(` ${scene.stage.tokens.viewer} `);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("article", { name: "Queue media" }).waitFor();
    expect(new URL(page.url()).pathname).toBe("/queues");
  });

  it("signs in with a link, whose token leaves the address at once and never reaches the server", async () => {
    const page = await scene.window();
    const asked: string[] = [];
    page.on("request", (request) => asked.push(request.url()));
    await page.goto(scene.stage.link("/workers?worker=zone%3Deu", "admin"));
    await page.getByRole("article").first().waitFor();
    expect(page.url()).toBe(`${scene.stage.server.url}/workers?worker=zone%3Deu`);
    expect(asked.filter((url) => url.includes(scene.stage.tokens.admin))).toEqual([]);
    expect(await page.getByText("Signed in as admin").count()).toBe(1);
  });

  it("lends the token to another tab and forgets it with the session", async () => {
    const first = await scene.visit("/");
    await first.getByRole("region", { name: "Throughput" }).first().waitFor();
    const second = await first.context().newPage();
    await second.goto(`${scene.stage.server.url}/shards`);
    await second.getByRole("heading", { name: "Shards", level: 1 }).waitFor();
    await first.close();
    await second.getByRole("button", { name: "Sign out" }).click();
    await second.getByRole("heading", { name: "Sign in to the yard" }).waitFor();
    await second.reload();
    await second.getByRole("heading", { name: "Sign in to the yard" }).waitFor();
  });

  it("lets a viewer look, and change nothing", async () => {
    const page = await scene.visit("/queues", { role: "viewer" });
    const pause = page.getByRole("button", { name: "Pause queue media" });
    await pause.waitFor();
    expect(await pause.isDisabled()).toBe(true);
    expect(await pause.getAttribute("title")).toBe("This takes the token of an operator or admin");
  });

  it("serves the page under a policy without inline scripts, and nothing beyond it", async () => {
    const { url } = scene.stage.server;
    const answer = await fetch(`${url}/tasks/anything`);
    expect(answer.status).toBe(200);
    const policy = answer.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self'");
    expect(policy).not.toContain("unsafe");
    expect(answer.headers.get("x-frame-options")).toBe("DENY");
    const html = await answer.text();
    expect(html).not.toMatch(/<script(?![^>]* src=)|<style| on\w+=/);
    const [asset = ""] = /\/assets\/[\w.-]+\.js/.exec(html) ?? [];
    const script = await fetch(url + asset);
    expect(script.headers.get("cache-control")).toContain("immutable");
    expect(script.headers.get("content-encoding")).toBe("gzip");
    expect((await fetch(`${url}/assets/..%2f..%2fpackage.json`)).status).toBe(404);
    expect((await fetch(`${url}/elsewhere`)).status).toBe(404);
  });
}
