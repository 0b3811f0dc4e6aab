// A real load balancer in front of gateways: HAProxy, round robin, no affinity of any kind.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import { freePort } from "./process.js";

const startDeadline = 10_000; // ms

/** A running HAProxy that deals every request to the next gateway. */
export class Balancer {
  /** @param {string[]} urls of the gateways */
  static async start(urls) {
    const balancer = new Balancer();
    await balancer.#start(urls);
    return balancer;
  }

  async #start(urls) {
    this.directory = mkdtempSync(join(tmpdir(), "balancer-"));
    const port = await freePort();
    this.url = `http://127.0.0.1:${port}`;
    const config = join(this.directory, "haproxy.cfg");
    this.commands = join(this.directory, "commands");
    this.count = urls.length;
    writeFileSync(config, [
      "global",
      `  stats socket ${this.commands} level admin`,
      "defaults",
      "  mode http",
      "  timeout connect 5s",
      "  timeout client 60s",
      "  timeout server 60s",
      "  timeout tunnel 1h",
      "  retries 3",
      "  option redispatch",
      "frontend clients",
      `  bind 127.0.0.1:${port}`,
      "  default_backend gateways",
      "backend gateways",
      "  balance roundrobin",
      ...urls.map((url, i) => `  server gateway${i} ${new URL(url).host} check inter 200ms`),
      "",
    ].join("\n"));
    this.log = "";
    this.child = spawn("haproxy", ["-db", "-f", config], { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.child.stdout, this.child.stderr]) stream.setEncoding("utf8").on("data", (text) => { this.log += text; });
    this.exited = once(this.child, "exit");
    const end = Date.now() + startDeadline;
    while (!(await accepts(port))) {
      if (Date.now() > end || this.child.exitCode !== null) {
        await this.stop();
        throw new Error(`HAProxy did not start\n${this.log}`);
      }
      await pause(20); // between two looks at the condition
    }
  }

  /** Cuts all connections through the balancer, or those to one gateway: polling requests and WebSockets alike. */
  async cut(gateway) {
    for (let i = 0; i < this.count; i++) {
      if (gateway === undefined || i === gateway) await this.#command(`shutdown sessions server gateways/gateway${i}`);
    }
  }

  async #command(line) {
    const socket = connect(this.commands);
    socket.end(`${line}\n`);
    let answer = "";
    for await (const chunk of socket) answer += chunk;
    if (answer.trim() !== "") throw new Error(`HAProxy: ${line}: ${answer.trim()}`);
  }

  async stop() {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill("SIGTERM");
      await this.exited;
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function accepts(port) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => { socket.destroy(); resolve(true); });
    socket.once("error", () => resolve(false));
  });
}
