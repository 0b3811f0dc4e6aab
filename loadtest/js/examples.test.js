// The examples that have pages, each run as a newcomer would: one process with everything in it, and a browser.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { connect } from "node:net";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";

import { openBrowser } from "./browser.js";
import { Process, freePort, root } from "./process.js";

const clientDir = "loadtest/js/node_modules/socket.io-client/dist";
const shows = (page, selector, text) => page.locator(selector, { hasText: text }).first().waitFor();

// Starts an example, and a browser for its pages.
async function start(program) {
  const [listen, nats, internal] = await Promise.all([0, 0, 0].map(async () => `127.0.0.1:${await freePort()}`));
  const process = new Process(program, ["--listen", listen, "--listen-nats", nats, "--internal", internal, "--client-dir", clientDir], internal);
  const [browser] = await Promise.all([openBrowser(), process.start()]);
  return {
    nats,
    // A page on which somebody has come in, with what it complained about.
    async enter(name, fields = {}) {
      const page = await browser.newPage();
      const complaints = [];
      page.on("pageerror", (error) => complaints.push(String(error)));
      page.on("console", (message) => { if (message.type() === "error") complaints.push(message.text()); });
      await page.goto(`http://${listen}/`);
      for (const [label, value] of Object.entries({ "Your name": name, ...fields })) await page.getByLabel(label, { exact: true }).fill(value);
      await page.locator("#enter button").click();
      await shows(page, "#state", "connected");
      await shows(page, "#transport", "websocket"); // whoever goes while polling is missed at the next ping only
      return { page, complaints };
    },
    async picture(page, name) {
      const directory = globalThis.process.env.SCREENSHOTS;
      if (directory) await page.screenshot({ path: `${directory}/${name}.png` });
    },
    async stop() {
      await browser.close();
      await process.stop();
    },
  };
}

describe("presence", () => {
  let example;
  before(async () => { example = await start("presence"); });
  after(() => example?.stop());

  it("counts each person once, and tells who comes and goes", async () => {
    const ada = await example.enter("Ada");
    await shows(ada.page, "#count", "1 person on 1 connection");
    const bob = await example.enter("<b>Bob</b>");
    const again = await example.enter("Ada");
    for (const { page } of [ada, bob, again]) {
      await shows(page, "#count", "2 people on 3 connections");
      await shows(page, "#people li", "<b>Bob</b>");
    }
    assert.equal(await ada.page.locator("#people b, #changes b").count(), 0, "a name became markup");
    await shows(ada.page, "#people .badge", "2 tabs");
    await example.picture(ada.page, "presence");
    await again.page.close();
    await shows(ada.page, "#changes li", "Ada closed a tab");
    await bob.page.close();
    await shows(ada.page, "#changes li", "<b>Bob</b> left");
    await shows(ada.page, "#count", "1 person on 1 connection");
    assert.deepEqual([...ada.complaints, ...bob.complaints, ...again.complaints], []);
  });
});

describe("notifications", () => {
  let example;
  before(async () => { example = await start("notifications"); });
  after(() => example?.stop());

  const notify = async (...args) => (await promisify(execFile)(`${root}bin/notify`, ["--nats", `nats://${example.nats}`, ...args])).stdout.trim();

  it("come from other programs, to people, topics and everybody", async () => {
    const [ada, bob] = await Promise.all([example.enter("Ada"), example.enter("Bob")]);
    await ada.page.getByLabel("Topic", { exact: true }).fill("weather");
    await ada.page.getByRole("button", { name: "Follow" }).click();
    await shows(ada.page, "#followed li", "weather");
    assert.equal(await notify("--user", "Bob", "Only for Bob"), "people: 1, connections: 1");
    assert.equal(await notify("--topic", "weather", "Snow tonight"), "people: 1, connections: 1");
    assert.equal(await notify("<img src=x onerror=alert(1)> for all"), "people: 2, connections: 2");
    for (const { page } of [ada, bob]) await shows(page, "#list li", "<img src=x onerror=alert(1)> for all");
    await shows(bob.page, "#list li", "Only for Bob");
    await shows(ada.page, "#list li", "Snow tonight");
    assert.equal(await ada.page.locator("#list li").count(), 2);
    assert.equal(await bob.page.locator("#list li").count(), 2);
    assert.equal(await ada.page.locator("#list img").count(), 0, "a text became markup");
    // With nothing of Patchbay: what `nats pub` sends.
    const [host, port] = example.nats.split(":");
    const socket = connect(Number(port), host);
    const text = '["notification",{"text":"By hand"}]';
    socket.write(`CONNECT {"verbose":false}\r\nPUB pb.room.-.user=Ada ${text.length}\r\n${text}\r\n`);
    await shows(ada.page, "#list li", "By hand");
    socket.destroy();
    await example.picture(ada.page, "notifications");
    assert.deepEqual([...ada.complaints, ...bob.complaints], []);
  });
});

describe("paint", () => {
  let example;
  before(async () => { example = await start("paint"); });
  after(() => example?.stop());

  const score = (page, name) => page.locator("#players li", { hasText: name }).locator(".badge").textContent();

  it("is played by several, and newcomers see what is owned", async () => {
    const ada = await example.enter("Ada", { Room: "yard" });
    await shows(ada.page, "#players li", "Ada");
    for (const key of ["ArrowRight", "ArrowDown", "ArrowRight", "ArrowDown", "ArrowRight", "ArrowDown"]) await ada.page.keyboard.press(key);
    await ada.page.locator("#players .badge", { hasText: "7" }).waitFor();
    const bob = await example.enter("<i>Bob</i>", { Room: "yard" });
    for (const { page } of [ada, bob]) {
      await shows(page, "#players li", "<i>Bob</i>");
      await shows(page, "#players li", "Ada");
    }
    assert.equal(await bob.page.locator("#players i").count(), 0, "a name became markup");
    // Bob may have come down on one of Ada's fields.
    await bob.page.locator("#players .badge", { hasText: /^[67]$/ }).first().waitFor();
    assert.match(await score(bob.page, "Ada"), /^[67]$/);
    for (let i = 0; i < 9; i++) await bob.page.keyboard.press("ArrowLeft");
    await ada.page.locator("#players li", { hasText: "Bob" }).locator(".badge", { hasText: "10" }).waitFor();
    const elsewhere = await example.enter("Eve", { Room: "attic" });
    await shows(elsewhere.page, "#players li", "Eve");
    assert.equal(await elsewhere.page.locator("#players li").count(), 1, "rooms are not apart");
    await example.picture(ada.page, "paint");
    await bob.page.close();
    await ada.page.locator("#players li", { hasText: "Bob" }).waitFor({ state: "hidden" });
    assert.deepEqual([...ada.complaints, ...bob.complaints, ...elsewhere.complaints], []);
  });
});
