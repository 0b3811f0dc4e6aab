// What must hold of a running docker-compose.yml: the chat works through the balancer with the stock client, every target of
// Prometheus is up, Grafana has the dashboard, and a gateway, a router, a worker and a NATS server may each be killed.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { setTimeout as pause } from "node:timers/promises";

const { io } = createRequire(new URL("../../loadtest/js/", import.meta.url))("socket.io-client");

const { COMPOSE = "docker compose", PATCHBAY_PORT = 8080, PROMETHEUS_PORT = 9090, GRAFANA_PORT = 3000 } = process.env;
const balancer = `http://127.0.0.1:${PATCHBAY_PORT}`;
const prometheus = `http://127.0.0.1:${PROMETHEUS_PORT}`;
const grafana = `http://127.0.0.1:${GRAFANA_PORT}`;
const deadline = 90_000; // ms for anything to happen

function compose(...args) {
  const [program, ...first] = COMPOSE.split(" ");
  return execFileSync(program, [...first, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

async function until(what, condition) {
  const end = Date.now() + deadline;
  for (let last; ;) {
    try {
      const value = await condition();
      console.log(`ok: ${what}${typeof value === "string" ? `: ${value}` : ""}`);
      return value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`not in time: ${what}`, { cause: last });
    await pause(250); // between two looks at the condition
  }
}

async function json(url) {
  const response = await fetch(url);
  assert.equal(response.status, 200, url);
  return response.json();
}

// Clients of every transport; each keeps what it hears.
function join(name, transports) {
  const socket = io(balancer, { forceNew: true, transports, reconnectionDelay: 100, reconnectionDelayMax: 500 });
  socket.heard = [];
  socket.on("chatMessage", (message) => socket.heard.push(message.text));
  socket.on("connect", () => {
    if (!socket.recovered) socket.emit("join", "lobby", name, () => {});
  });
  return socket;
}
const ask = (socket, ...args) => socket.timeout(10_000).emitWithAck(...args);

const all = [["polling"], ["websocket"], ["polling", "websocket"], ["polling"], ["websocket"], ["polling", "websocket"]]
  .map((transports, i) => join(`client ${i}`, transports));

let said = 0;
async function chat(when) {
  await until(`${when}: everybody hears everybody`, async () => {
    const text = `message ${said++}`;
    for (const socket of all) assert.equal(await ask(socket, "chatMessage", `${text} of ${socket.id}`), "ok");
    await pause(200); // for the last of them to arrive
    for (const socket of all) {
      for (const other of all) assert.ok(socket.heard.includes(`${text} of ${other.id}`), "a message is missing");
    }
  });
}

await until("the page comes through the balancer", async () => {
  for (const path of ["/", "/chat.js", "/socket.io/socket.io.js"]) assert.equal((await fetch(balancer + path)).status, 200, path);
});
await chat("at the start");
const nodes = new Set();
for (const socket of all) nodes.add((await ask(socket, "whoami")).node);
console.log(`ok: the clients are on ${nodes.size} gateways`);
assert.ok(nodes.size > 1, "all clients are on one gateway");

await until("every target of Prometheus is up", async () => {
  const { data: { activeTargets } } = await json(`${prometheus}/api/v1/targets`);
  const down = activeTargets.filter((target) => target.health !== "up").map((target) => `${target.scrapeUrl}: ${target.lastError}`);
  assert.deepEqual(down, []);
  assert.equal(activeTargets.length, 11);
  return activeTargets.map((target) => target.labels.instance).sort().join(" ");
});
await until("Prometheus has the alerts, and none that is wrong", async () => {
  const { data: { groups } } = await json(`${prometheus}/api/v1/rules`);
  const rules = groups.flatMap((group) => group.rules);
  assert.ok(rules.length > 10);
  assert.deepEqual(rules.filter((rule) => rule.health === "err"), []);
  return `${rules.length} rules`;
});
await until("Grafana has the dashboard, and its panels have data", async () => {
  const { dashboard } = await json(`${grafana}/api/dashboards/uid/patchbay`);
  const targets = dashboard.panels.flatMap((panel) => panel.targets ?? []);
  let filled = 0;
  for (const { expr } of targets) {
    const query = new URLSearchParams({ query: expr.replaceAll("$__rate_interval", "1m").replaceAll("$instance", ".*") });
    const { data } = await json(`${grafana}/api/datasources/proxy/uid/prometheus/api/v1/query?${query}`);
    if (data.result.length > 0) filled++;
  }
  assert.ok(filled > targets.length / 2, `${filled} of ${targets.length}`);
  return `${filled} of ${targets.length} queries`;
});

for (const part of ["gateway-1", "router-1", "chat-1", "nats-1"]) {
  compose("kill", "-s", "SIGKILL", part);
  await chat(`${part} was killed`);
  compose("up", "-d", part);
  await chat(`${part} is back`);
}
await until("no part was refused anything by NATS", async () => {
  assert.doesNotMatch(compose("logs", "--no-color"), /permissions violation/i);
});
for (const socket of all) socket.close();
