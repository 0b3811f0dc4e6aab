// Measures what each failure looks like and prints the table of docs/failure.md: make failure. Not a test: it asserts nothing.
//
// A row is a name, for how long traffic flows, and what is done to the cluster while it does. What it returns is when applications had
// noticed, in ms, or undefined if there is nothing to notice. Add rows at the end of the list.

import { setTimeout as pause } from "node:timers/promises";

import { Audit } from "./audit.js";
import { Balancer } from "./balancer.js";
import { Clients, ask, next } from "./client.js";
import { Cluster } from "./cluster.js";

const size = 9; // clients in the room, each of which sends
const rate = 100; // events a second and client

const rows = [
  ["nothing", 2000, async () => undefined],
  ["a router of two is killed", 2000, async ({ cluster }) => { await cluster.routers[0].kill(); }],
  ["both routers are killed", 2000, async ({ cluster }) => { await Promise.all(cluster.routers.map((router) => router.kill())); }],
  ["one NATS server of three is killed", 2000, async ({ cluster }) => { await cluster.servers[1].kill(); }],
  ["all NATS servers are killed and started again", 5000, async ({ cluster }) => {
    await Promise.all(cluster.servers.map((server) => server.kill()));
    await Promise.all(cluster.servers.map((server) => server.start()));
  }],
  ["a worker of two is killed", 9000, async ({ cluster }) => { await cluster.workers[0].kill(); }],
  ["a gateway of three is killed", 9000, async ({ cluster, watcher }) => {
    const told = next(watcher, "peer-left", 30_000);
    await cluster.gateways[2].kill();
    const begin = Date.now();
    await told;
    return Date.now() - begin;
  }],
  ["a gateway is stopped for 7 s, and woken", 9000, async ({ cluster, watcher }) => {
    const told = next(watcher, "peer-left", 30_000);
    const begin = Date.now();
    const sleep = cluster.gateways[2].freeze(7000);
    await told;
    const noticed = Date.now() - begin;
    await sleep;
    return noticed;
  }],
  ["all connections of clients are cut", 3000, async ({ balancer }) => { await balancer.cut(); }],
];

async function measure([name, duration, act]) {
  const clients = new Clients();
  const cluster = await Cluster.start({ servers: 3, gateways: 3, routers: 2, workers: 2, gatewayArgs: ["--recovery", "2m"] });
  const balancer = await Balancer.start(cluster.urls);
  try {
    const watcher = await clients.connect(cluster.urls[0], { transports: ["websocket"] });
    await ask(watcher, "join", "watchers");
    const all = await Promise.all(Array.from({ length: size }, () => clients.connect(balancer.url, { transports: ["websocket"] })));
    await Promise.all(all.map((client) => ask(client, "join", "room")));
    const audit = new Audit();
    const counts = { disconnections: 0, recovered: 0, silence: 0 };
    all.forEach((client, i) => {
      const member = audit.member(client, "room");
      let last = Date.now();
      client.on("audit", () => {
        counts.silence = Math.max(counts.silence, Date.now() - last);
        last = Date.now();
      });
      client.on("disconnect", () => { counts.disconnections += 1; });
      client.on("connect", () => {
        if (client.recovered) counts.recovered += 1;
        else member.gone(); // a new socket, in no room
      });
      audit.sender(client, "room", `${i}`);
    });
    const traffic = Promise.all(audit.senders().map((sender) => sender.pace((rate * duration) / 1000, duration)));
    await pause(500); // so that traffic flows
    const noticed = await act({ cluster, balancer, watcher });
    await traffic;
    const report = await audit.settle(3000);
    const parts = [...cluster.gateways].filter((one) => one.running);
    const gaps = await Cluster.counted(parts, "patchbay_gateway_backplane_gaps_total");
    return [name, noticed === undefined ? "" : `${noticed} ms`, `${counts.silence} ms`, counts.disconnections, counts.recovered,
      report.sent, report.lostUp, report.lostDown, report.repeated, report.reordered, gaps];
  } finally {
    clients.close();
    await balancer.stop();
    await cluster.kill();
  }
}

const head = ["what happens", "applications know after", "longest silence", "disconnections", "of them recovered",
  "sent", "lost on the way up", "deliveries lost", "repeated", "out of order", "gaps counted"];
console.log(`| ${head.join(" | ")} |\n|${head.map(() => "-").join("|")}|`);
const wanted = process.argv.slice(2);
for (const row of rows) {
  if (wanted.length === 0 || wanted.some((word) => row[0].includes(word))) console.log(`| ${(await measure(row)).join(" | ")} |`);
}
process.exit(0);
