#!/usr/bin/env node
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

if (major < 22 || (major === 22 && minor < 18)) {
  console.error(`yardmaster needs Node.js 22.18 or newer; this is ${process.version}.`);
  process.exit(2);
}

await import("../dist/cli/main.js");
