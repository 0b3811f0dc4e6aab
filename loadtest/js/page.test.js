import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { openBrowser } from "./browser.js";
import { Process, freePort } from "./process.js";

const bundles = "loadtest/js/node_modules/socket.io-client/dist";

async function demo(clientDir) {
  const listen = `127.0.0.1:${await freePort()}`;
  const internal = `127.0.0.1:${await freePort()}`;
  const args = ["demo", "--listen", listen, "--internal", internal, "--client-dir", clientDir];
  const process = await new Process("patchbay", args, internal).start();
  return { process, url: `http://${listen}/` };
}

// One page with what it complained about.
async function open(browser, url) {
  const page = await browser.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => { if (message.type() === "error") complaints.push(message.text()); });
  await page.goto(url);
  return { page, complaints };
}

async function enter(page, name, room) {
  await page.getByLabel("Your name").fill(name);
  await page.getByLabel("Room").fill(room);
  await page.getByRole("button", { name: "Enter" }).click();
  await page.locator("#text:enabled").waitFor();
}

async function say(page, text) {
  await page.getByLabel("Message", { exact: true }).fill(text);
  await page.getByRole("button", { name: "Send" }).click();
}

const shows = (page, selector, text) => page.locator(selector, { hasText: text }).first().waitFor();

describe("the chat page", () => {
  let server, browser;
  before(async () => {
    [server, browser] = await Promise.all([demo(bundles), openBrowser()]);
  });
  after(async () => {
    await browser?.close();
    await server?.process.stop();
  });

  it("lets two people talk", async () => {
    const [ada, bob] = await Promise.all([open(browser, server.url), open(browser, server.url)]);
    await enter(ada.page, "Ada", "engines");
    await enter(bob.page, "Bob", "engines");
    for (const { page } of [ada, bob]) {
      await shows(page, "#present", "Ada");
      await shows(page, "#present", "Bob");
      await shows(page, "#transport", "websocket");
      await shows(page, "#state", "connected");
      assert.match(await page.locator("#node").textContent(), /^[a-z0-9]+$/);
    }
    await say(ada.page, "Are you there, Bob?");
    await shows(bob.page, "#messages li", "Are you there, Bob?");
    await say(bob.page, "<b>Yes</b>, <img src=x onerror=alert(1)> Ada");
    await shows(ada.page, "#messages li", "<b>Yes</b>, <img src=x onerror=alert(1)> Ada");
    assert.equal(await ada.page.locator("#messages b, #messages img").count(), 0, "text became markup");
    await shows(ada.page, "#messages li.own", "Are you there, Bob?");
    if (process.env.SCREENSHOT) await ada.page.screenshot({ path: process.env.SCREENSHOT });
    await bob.page.close();
    await ada.page.locator("#present", { hasText: "Bob" }).waitFor({ state: "hidden" });
    assert.deepEqual([...ada.complaints, ...bob.complaints], []);
  });

  it("keeps rooms apart", async () => {
    const [ada, bob] = await Promise.all([open(browser, server.url), open(browser, server.url)]);
    await enter(ada.page, "Ada", "one");
    await enter(bob.page, "Bob", "two");
    await say(ada.page, "only for room one");
    await shows(ada.page, "#messages li", "only for room one");
    await say(bob.page, "only for room two");
    await shows(bob.page, "#messages li", "only for room two");
    assert.equal(await bob.page.locator("#messages li", { hasText: "room one" }).count(), 0);
    await Promise.all([ada.page.close(), bob.page.close()]);
  });
});

describe("the chat page without the client bundle", () => {
  it("says what is missing", async () => {
    const [server, browser] = await Promise.all([demo("bin/no-such-directory"), openBrowser()]);
    try {
      const { page } = await open(browser, server.url);
      await shows(page, "#problem", "npm ci");
      await shows(page, "#state", "disconnected");
    } finally {
      await browser.close();
      await server.process.stop();
    }
  });
});
