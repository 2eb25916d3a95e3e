import { createHandlers, type Handler, retryIn } from "yardmaster/worker";
import { crawl } from "./tasks.ts";

const { on } = createHandlers();
const LINK = /<a\s[^>]*href="([^"#]+)/g;
/** Pages that lie deeper are left out: a calendar has no last page. */
const MAX_SEGMENTS = 4;

const handler: Handler = on(crawl, async ({ input, signal, submit }) => {
  const { url } = input;
  const answer = await fetch(url, { signal });
  // The host says when it wants to be asked again.
  if (answer.status === 429) return retryIn(Number(answer.headers.get("retry-after") ?? 1) * 1_000);
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
  const links = linksOf(await answer.text(), url);
  // The address is the key: a page that many others name is read once.
  await Promise.all(links.map((link) => submit(crawl, { url: link }, { idempotencyKey: link })));
  return { links: links.length };
});

/** The links within the page's own host. */
function linksOf(html: string, base: string): string[] {
  const found = [...html.matchAll(LINK)].flatMap(([, href = ""]) => URL.parse(href, base) ?? []);
  const own = found.filter(
    ({ host, pathname }) => host === new URL(base).host && pathname.split("/").length <= MAX_SEGMENTS + 1,
  );
  return [...new Set(own.map(({ href }) => href))];
}

const handlers: readonly Handler[] = [handler];
export default handlers;
