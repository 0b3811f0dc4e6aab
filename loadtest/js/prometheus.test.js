// A real Prometheus with the shipped configuration, alerts and dashboard, and a cluster for it to look at. Targets and
// times are the test's own.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import { Clients, ask } from "./client.js";
import { Cluster } from "./cluster.js";
import { freePort, root } from "./process.js";

const deadline = 60_000; // ms for anything to happen

async function until(condition) {
  const end = Date.now() + deadline;
  for (let last; ;) {
    try {
      return await condition();
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw last;
    await pause(50); // between two looks at the condition
  }
}

class Prometheus {
  /** @param {Record<string, string[]>} targets by job */
  async start(targets) {
    this.directory = mkdtempSync(join(tmpdir(), "prometheus-"));
    const file = (name) => readFileSync(`${root}deploy/prometheus/${name}`, "utf8");
    let config = file("prometheus.yml").replaceAll(/_interval: 15s/g, "_interval: 250ms");
    for (const job of config.matchAll(/job_name: (\S+)\n.*/g)) {
      const list = (targets[job[1]] ?? []).map((target) => `"${target}"`).join(", ");
      config = config.replace(job[0], `job_name: ${job[1]}\n    static_configs: [{ targets: [${list}] }]`);
    }
    writeFileSync(join(this.directory, "prometheus.yml"), config);
    writeFileSync(join(this.directory, "alerts.yml"), file("alerts.yml").replaceAll(/for: \d+[ms]\n/g, "for: 1s\n"));
    const listen = `127.0.0.1:${await freePort()}`;
    this.url = `http://${listen}`;
    this.log = "";
    this.child = spawn("prometheus", [`--config.file=${this.directory}/prometheus.yml`, `--storage.tsdb.path=${this.directory}/data`, `--web.listen-address=${listen}`],
      { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.child.stdout, this.child.stderr]) stream.setEncoding("utf8").on("data", (text) => { this.log += text; });
    this.exited = once(this.child, "exit");
    await until(async () => assert.ok((await fetch(`${this.url}/-/ready`)).ok, this.log));
    return this;
  }

  async ask(path, query = {}) {
    const response = await fetch(`${this.url}/api/v1/${path}?${new URLSearchParams(query)}`);
    const answer = await response.json();
    assert.equal(answer.status, "success", JSON.stringify([query, answer]));
    return answer.data;
  }

  async stop() {
    this.child.kill("SIGTERM");
    await this.exited;
    rmSync(this.directory, { recursive: true, force: true });
  }
}

describe("Prometheus as shipped", () => {
  let cluster, prometheus;
  const clients = new Clients();
  before(async () => {
    cluster = await Cluster.start({ gateways: 2, workers: 2, routers: 2 });
    const internal = (list) => list.map((one) => one.internal);
    prometheus = await new Prometheus().start({
      "patchbay-gateway": internal(cluster.gateways), "patchbay-router": internal(cluster.routers), "patchbay-worker": internal(cluster.workers),
    });
  });
  after(async () => {
    clients.close();
    await prometheus?.stop();
    await cluster?.stop();
  });

  it("reaches every part", () => until(async () => {
    const { activeTargets } = await prometheus.ask("targets");
    assert.deepEqual(activeTargets.map((target) => [target.health, target.lastError]), Array(6).fill(["up", ""]));
  }));

  it("fills the dashboard's panels while clients talk", async () => {
    const dashboard = JSON.parse(readFileSync(`${root}deploy/grafana/dashboards/patchbay.json`, "utf8"));
    const talk = async () => {
      const client = await clients.connect(cluster.urls[0]);
      await ask(client, "join", "room");
      await ask(client, "in-room", "room", "news", 1);
      clients.close();
    };
    for (const panel of dashboard.panels) {
      for (const { expr } of panel.targets ?? []) {
        const query = expr.replaceAll("$__rate_interval", "30s").replaceAll("$instance", ".*");
        // What happens only when something is amiss, and what NATS's exporter tells, has no series here.
        const quiet = /gnatsd|refused|bad_packets|drain_remaining|recoveries|relay|handoffs|expired/.test(query);
        await until(async () => {
          const { result } = await prometheus.ask("query", { query });
          if (quiet || result.length > 0) return;
          await talk();
          assert.fail(`${panel.title}: nothing for ${query}`);
        });
      }
    }
  });

  it("is silent on a good day, and alerts when a gateway is gone", async () => {
    const firing = async () => (await prometheus.ask("alerts")).alerts.filter((alert) => alert.state === "firing").map((alert) => alert.labels.alertname);
    const { groups } = await prometheus.ask("rules");
    const rules = groups.flatMap((group) => group.rules);
    await until(async () => assert.ok(rules.every((rule) => rule.health !== "err"), "a rule is wrong"));
    assert.deepEqual((await firing()).filter((name) => name !== "PatchbayNATSDown"), []);
    await cluster.gateways[0].kill();
    await until(async () => {
      const names = await firing();
      for (const name of ["PatchbayPartDown", "PatchbayLeasesExpired"]) assert.ok(names.includes(name), `firing: ${names}`);
    });
  });
});
