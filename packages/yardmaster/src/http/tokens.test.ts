import { describe, expect, it } from "vitest";
import { createToken, findToken, hashToken, parseTokens, tokenLine } from "./tokens.ts";

const TOKEN = createToken();
const OTHER = createToken();

describe("tokens", () => {
  it("are long, random and easy to find where they leak", () => {
    expect(TOKEN).toMatch(/^ymt_[0-9a-z]{52}$/);
    expect(TOKEN).not.toBe(OTHER);
  });

  it("are read as they are and as digests, and written as digests", () => {
    const text = `# people\nadmin:${TOKEN}, viewer:sha256:${hashToken(OTHER)}\n\n  # producer:${TOKEN}\n`;
    const tokens = parseTokens(text, "tokens");
    expect(tokens).toEqual([
      { role: "admin", sha256: hashToken(TOKEN) },
      { role: "viewer", sha256: hashToken(OTHER) },
    ]);
    expect(parseTokens(tokens.map(tokenLine).join("\n"), "tokens")).toEqual(tokens);
  });

  it.each([
    ["a role that does not exist", `root:${TOKEN}`],
    ["no role", TOKEN],
    ["a short token", "admin:hunter2"],
    ["half a digest", `admin:sha256:${hashToken(TOKEN).slice(1)}`],
  ])("with %s are refused by their place, and not quoted", (_, text) => {
    expect(() => parseTokens(`viewer:${OTHER}\n${text}`, "YARDMASTER_TOKENS")).toThrow(
      /YARDMASTER_TOKENS, entry 2/,
    );
    const secret = text.slice(text.lastIndexOf(":") + 1);
    expect(() => parseTokens(text, "a")).not.toThrow(secret);
  });

  it("are found by all of themselves only", () => {
    const tokens = parseTokens(`viewer:${OTHER} admin:${TOKEN}`, "a");
    expect(findToken(tokens, TOKEN)).toEqual({ role: "admin", sha256: hashToken(TOKEN) });
    for (const wrong of ["", TOKEN.slice(1), `${TOKEN}a`, hashToken(TOKEN), TOKEN.toUpperCase()]) {
      expect(findToken(tokens, wrong)).toBeNull();
    }
    expect(findToken([], TOKEN)).toBeNull();
  });
});
