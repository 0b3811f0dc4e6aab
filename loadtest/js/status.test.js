// The status page of a router, in a browser, over a cluster of two gateways whose clients choose names that would be markup.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";

import { openBrowser } from "./browser.js";
import { Clients, ask, next } from "./client.js";
import { Cluster } from "./cluster.js";
import { Process, freePort } from "./process.js";

const evil = (what) => `<script>document.title='${what}'</script><img src=x onerror="document.title='${what}'">`;

let cluster, browser, page, complaints;
const clients = new Clients();
const base = () => `http://${cluster.routers[0].internal}/status/`;

before(async () => {
  [cluster, browser] = await Promise.all([Cluster.start(), openBrowser()]);
});
after(async () => {
  await browser?.close();
  await cluster?.stop();
});
afterEach(async () => {
  await page?.close();
  await clients.close();
});

async function open(hash = "") {
  page = await browser.newPage();
  complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => { if (message.type() === "error") complaints.push(message.text()); });
  await page.goto(base() + hash);
  await page.locator("#state", { hasText: "complete" }).waitFor();
}

const shows = (selector, text) => page.locator(selector, { hasText: text }).first().waitFor();

async function find(text) {
  await page.getByRole("searchbox").fill(text);
  await page.getByRole("button", { name: "Find" }).click();
}

async function press(name) {
  await page.getByRole("button", { name }).click();
  await page.getByRole("button", { name: `${name}: sure?` }).click();
}

// Nothing that anybody has chosen has become more than text.
async function harmless() {
  assert.equal(await page.title(), "Patchbay status");
  assert.equal(await page.locator("body script, img").count(), 0, "text became markup");
  assert.deepEqual(complaints, []);
}

// Two clients on each gateway, in one room, with data and a user.
async function people() {
  const [room, user] = [evil("room"), evil("user")];
  const list = await Promise.all([0, 1, 0, 1].map((i) => clients.connect(cluster.urls[i], { transports: ["websocket"] })));
  for (const one of list) {
    await ask(one, "join", room);
    await ask(one, "set-data", evil("key"), evil("value"));
  }
  await ask(list[0], "set-user", user);
  return { list, room, user };
}

describe("the status page", () => {
  it("shows nodes, workers, namespaces and rooms, and hostile names as text", async () => {
    const { room, user } = await people();
    const nsp = "/dynamic-1";
    await clients.connect(cluster.urls[0] + nsp, { transports: ["websocket"] });
    await open();
    await page.locator("#nodes tbody tr").nth(1).waitFor();
    await page.waitForFunction(() => [...document.querySelectorAll("#nodes tbody tr")].every((row) => row.textContent.includes("open")));
    assert.equal(await page.locator("#workers tbody tr").count(), 2);
    const row = (section, text) => page.locator(`#${section} tbody tr`, { hasText: text }).first();
    await row("rooms", room).locator("td", { hasText: /^4$/ }).waitFor();
    await row("users", user).locator("td", { hasText: /^1$/ }).waitFor();
    await row("namespaces", nsp).waitFor();
    // No namespace of this application has a hostile name: the answer is given one on its way.
    await page.route(/\/api\/overview/, async (route) => {
      const response = await route.fetch();
      const overview = await response.json();
      for (const one of overview.top.namespaces) if (one.name === nsp) one.name = evil("nsp");
      await route.fulfill({ response, json: overview });
    });
    await row("namespaces", evil("nsp")).waitFor();
    await page.unrouteAll({ behavior: "wait" });
    await page.locator("#tile-connections b", { hasText: /^[1-9]/ }).waitFor();
    await page.locator("#tile-sockets polyline").waitFor({ state: "attached" });
    await page.locator("#rooms a").first().click();
    await page.locator("#detail tbody tr").nth(3).waitFor();
    await harmless();
  });

  it("finds a socket by its id and by its user, and disconnects it", async () => {
    const { list: [ada, bob], room, user } = await people();
    const { id } = ada; // the client forgets it when it is disconnected
    await open();
    await find(user);
    await shows("#detail td", id);
    await harmless();
    await find(id);
    await shows("#detail dd", "websocket");
    await shows("#detail dd", room);
    await shows("#detail dd", "empty");
    await shows("#detail dd", /none was due yet|answered .* ago/);
    await shows("#detail pre", evil("value").replaceAll('"', '\\"'));
    const left = next(ada, "disconnect");
    await press("Disconnect");
    assert.equal((await left)[0], "io server disconnect");
    await shows("#detail", "It is gone");
    await find(bob.id);
    await shows("#detail dd", "websocket");
    const closed = next(bob, "disconnect");
    await press("Close its session");
    assert.equal((await closed)[0], "io server disconnect");
    await find(id);
    await shows("#detail", "There is no socket");
    await find("nobody of that name");
    await shows("#detail", "There is no socket with that id, no user and no room");
    assert.ok(!/undefined|null|NaN|\[object/.test(await page.locator("body").innerText()));
    await harmless();
  });

  it("says what is missing, and that the router does not answer", async () => {
    const own = await Cluster.start({ workers: 0, gateways: 1 });
    const shared = cluster;
    try {
      cluster = own;
      await open();
      await shows("#workers", "No worker has been heard");
      await shows("#rooms", "No socket is in a room");
      await own.gateways[0].kill();
      await shows("#notes li", /has been silent for/);
      await own.nats.kill();
      await shows("#notes li", "has lost NATS");
      await own.routers[0].kill();
      await shows("#notes li", /has not answered for/);
    } finally {
      cluster = shared;
      await own.kill();
    }
  });

  it("lets no other page disconnect anybody, and nobody if it is read-only", async () => {
    const { list: [ada] } = await people();
    await open();
    const post = (headers, at = base()) => fetch(`${at}api/disconnect`, { method: "POST", headers, body: JSON.stringify({ socket: ada.id }) });
    assert.equal((await post({ "Patchbay-Status": "1", Origin: "http://elsewhere.example" })).status, 403);
    assert.equal((await post({})).status, 403);
    const internal = `127.0.0.1:${await freePort()}`;
    const router = await new Process("patchbay", ["router", "--nats", `nats://${cluster.addresses[0]}`, "--internal", internal, "--status-read-only"], internal,
      { PATCHBAY_NATS_USER: "router", PATCHBAY_NATS_PASSWORD: "router-password" }).start();
    try {
      assert.equal((await post({ "Patchbay-Status": "1" }, `http://${internal}/status/`)).status, 403);
      await page.goto(`http://${internal}/status/#socket=${ada.id}`);
      await shows("#detail", "This page is read-only");
      assert.equal(await page.locator("#detail button.danger").count(), 0);
    } finally {
      await router.stop();
    }
    assert.ok(ada.connected);
    await harmless();
  });
});
