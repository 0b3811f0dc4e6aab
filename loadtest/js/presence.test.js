// Presence for stock clients, by the presence example on a cluster: two gateways, two workers that watch, two routers of which one dies.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { Clients, within } from "./client.js";
import { Cluster } from "./cluster.js";

let cluster;
const clients = new Clients();
before(async () => { cluster = await Cluster.start({ gateways: 2, workers: 2, routers: 2, program: "presence" }); });
after(() => cluster?.stop());
afterEach(() => clients.close());

let last = 0;
const connect = (name) => clients.connect(cluster.urls[last++ % 2], { auth: { name }, transports: ["websocket"] });

// Somebody who follows who is online, and holds each word against the one before: no change may be missed or told twice.
async function follow(name) {
  const people = new Map();
  const wrong = [];
  const socket = clients.socket(cluster.urls[last++ % 2], { auth: { name }, transports: ["websocket"] });
  const listed = within(new Promise((resolve) => socket.once("online", resolve)), "who is online");
  socket.on("online", (list) => { for (const one of list) people.set(one.name, one.connections); });
  socket.on("person", ({ name: who, connections }) => {
    if (Math.abs((people.get(who) ?? 0) - connections) !== 1) wrong.push(`${who}: ${people.get(who)}, then ${connections}`);
    people.set(who, connections);
  });
  await listed;
  const until = async (expected, what) => {
    const holds = () => Object.entries(expected).every(([who, n]) => (people.get(who) ?? 0) === n);
    await within((async () => { while (!holds()) await pause(20); })(), `${what}: ${JSON.stringify(expected)}`, 20_000)
      .catch((error) => { throw new Error(`${error.message}; got ${JSON.stringify([...people])}`); });
    assert.deepEqual(wrong, []);
  };
  return { until };
}

describe("presence on a cluster", () => {
  it("counts each person once, and survives the router that tells it", async () => {
    const [eve, zoe] = await Promise.all([follow("Eve"), follow("Zoe")]);
    const both = (expected, what) => Promise.all([eve.until(expected, what), zoe.until(expected, what)]);
    await both({ Eve: 1, Zoe: 1 }, "those who follow");
    const ada = await connect("Ada");
    const again = await connect("Ada");
    await both({ Ada: 2 }, "two tabs of one person");
    again.close();
    await both({ Ada: 1 }, "one tab closed");
    const watches = await Promise.all(cluster.routers.map((router) => Cluster.counted([router], "patchbay_router_watches ")));
    assert.equal(watches[0] + watches[1], 2, "each worker watches");
    await cluster.routers[watches[0] > 0 ? 0 : 1].kill();
    const bob = await connect("Bob");
    ada.close();
    await both({ Ada: 0, Bob: 1 }, "while a router is dead");
    bob.close();
    await both({ Bob: 0 }, "after a router's death");
  });

  it("loses those of a gateway that is killed, within its lease", async () => {
    last = 0;
    const eve = await follow("Eve"); // on the first gateway
    await connect("Dan"); // on the second
    await eve.until({ Dan: 1 }, "on the other gateway");
    await cluster.gateways[1].kill();
    await eve.until({ Dan: 0 }, "no ghosts");
  });
});
