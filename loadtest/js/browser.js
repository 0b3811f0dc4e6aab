// A headless Chromium with a profile of its own.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { chromium } from "playwright-core";

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const args = [
  "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

/** Starts the browser; close() ends it and removes its profile. */
export async function openBrowser() {
  const profile = await mkdtemp(join(tmpdir(), "patchbay-browser-"));
  const context = await chromium.launchPersistentContext(profile, { executablePath, args, headless: true });
  context.setDefaultTimeout(15_000);
  return {
    newPage: () => context.newPage(),
    async close() {
      await context.close();
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
