// Runs the test files named on the command line, or all of them, one after the other. A test that is skipped
// or left for later counts as failed: what is not run proves nothing.

import { readdirSync } from "node:fs";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { fileURLToPath } from "node:url";

const fileTimeout = 300_000; // ms for all tests of one file

const here = fileURLToPath(new URL(".", import.meta.url));
const named = process.argv.slice(2);
const files = (named.length > 0 ? named : readdirSync(here).filter((name) => name.endsWith(".test.js")).sort())
  .map((name) => here + name);

let passed = 0;
let failed = 0;
const tests = run({ files, concurrency: 1, timeout: fileTimeout });
tests.on("test:pass", ({ name, details, skip, todo }) => {
  if (skip !== undefined || todo !== undefined) {
    failed++;
    console.error(`not run: ${name}`);
  } else if (details.type !== "suite") {
    passed++;
  }
});
tests.on("test:fail", ({ details }) => {
  if (details.type !== "suite") failed++;
  process.exitCode = 1;
});
process.on("exit", () => {
  console.log(`${passed} passed, ${failed} failed`);
  if (failed > 0 || passed === 0) process.exitCode = 1;
});
tests.compose(spec).pipe(process.stdout);
