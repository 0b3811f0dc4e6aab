import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { Audit } from "./audit.js";
import { Balancer } from "./balancer.js";
import { Clients, ask, modes, next, upgraded, within } from "./client.js";
import { Cluster } from "./cluster.js";

const each = 5; // clients of each kind
const period = 50; // ms between two events of a client
const rate = 10; // sessions a second that a gateway closes
const room = "everybody";
const stopDeadline = 60_000; // ms: a drain takes some seconds, on a slow machine more

let cluster, balancer;
const clients = new Clients();
before(async () => {
  cluster = await Cluster.start({
    gateways: 3, routers: 2, workers: 2,
    gatewayArgs: ["--recovery", "2m", "--drain-delay", "1s", "--drain-rate", String(rate)],
  });
  balancer = await Balancer.start(cluster.urls);
});
after(async () => {
  clients.close();
  await balancer?.stop();
  await cluster?.stop();
});

// Whether the stock client keeps what it is given now, until it is sent or for its next connection. It does not between a close frame
// and the end of its connection, nor while a POST is under way: if the session is closed then, by whomever, it forgets it.
function keeps(socket) {
  if (!socket.connected) return true;
  const { transport, writeBuffer, upgrading } = socket.io.engine;
  if (upgrading || writeBuffer.length > 0) return false;
  return transport.name === "websocket" ? transport.ws.readyState === 1 : transport.writable;
}

// Sends numbered events, one now and then, until it is stopped.
function send(sender) {
  const timer = setInterval(() => { if (keeps(sender.socket)) sender.send(); }, period);
  return () => clearInterval(timer);
}

// What a gateway's log says of its drain.
function drained(gateway) {
  const line = gateway.log.findLast((text) => text.includes('"drained"'));
  assert.ok(line, `${gateway.name} says nothing of its drain:\n${gateway.log.join("\n")}`);
  return JSON.parse(line);
}

describe("all gateways restarted, one after the other, under load", () => {
  it("lose, repeat and reorder nothing, and close no more clients in a second than stated", async () => {
    const audit = new Audit();
    const all = [];
    for (const [mode, transports] of Object.entries(modes)) {
      for (let i = 0; i < each; i++) {
        const socket = await clients.connect(balancer.url, transports ? { transports } : {});
        if (!transports) await upgraded(socket);
        all.push({ socket, name: `${mode} ${i}`, id: socket.id, closes: [], back: [] });
      }
    }
    for (const one of all) {
      const { socket } = one;
      socket.on("disconnect", (reason) => one.closes.push(reason));
      socket.on("connect", () => one.back.push({ id: socket.id, recovered: socket.recovered }));
      await ask(socket, "join", room);
    }
    for (const { socket } of all) audit.member(socket, room);
    const stops = all.map(({ socket, name }) => send(audit.sender(socket, room, name)));

    let closed = 0;
    for (const gateway of cluster.gateways) {
      await within(gateway.stop(stopDeadline), "the drain", stopDeadline);
      const { closed: count, peak, sessions, detached, moving } = drained(gateway);
      assert.deepEqual({ sessions, detached, moving }, { sessions: 0, detached: 0, moving: 0 }, "nothing is cut off");
      assert.ok(peak <= rate, `${peak} in one second`);
      closed += count;
      await gateway.start();
    }
    for (const stop of stops) stop();
    await Promise.all(all.filter(({ socket }) => !socket.connected).map(({ socket }) => next(socket, "connect")));
    await audit.clean("a rolling restart");

    for (const { name, id, closes, back } of all) {
      assert.ok(closes.length > 0, `${name} was never closed`);
      assert.deepEqual(new Set(closes), new Set(["transport close"]), name);
      assert.deepEqual(back, closes.map(() => ({ id, recovered: true })), name);
    }
    assert.equal(all.reduce((sum, { closes }) => sum + closes.length, 0), closed, "all closes were the drains'");
  });
});
