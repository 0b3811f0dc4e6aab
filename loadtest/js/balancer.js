// Real load balancers in front of gateways, with the configurations of deploy/: HAProxy and nginx, round robin, no affinity
// of any kind. Addresses are the test's own, and all else is as shipped.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import { Cluster } from "./cluster.js";
import { freePort, root } from "./process.js";

const startDeadline = 10_000; // ms

// What of a shipped configuration belongs to its place and not to this test. A pattern that no longer fits is an error.
function adapt(text, ...replacements) {
  for (const [pattern, replacement] of replacements) {
    if (!pattern.test(text)) throw new Error(`the configuration has nothing like ${pattern}`);
    text = text.replace(pattern, replacement);
  }
  return text;
}

/** A running HAProxy that deals every request to the next gateway. */
export class Balancer {
  /** @param {string[]} urls of the gateways */
  static async start(urls) {
    const balancer = new this();
    await balancer.#start(urls);
    return balancer;
  }

  async #start(urls) {
    this.directory = mkdtempSync(join(tmpdir(), "balancer-"));
    chmodSync(this.directory, 0o755);
    const port = await freePort();
    this.url = `http://127.0.0.1:${port}`;
    this.count = urls.length;
    this.log = "";
    const config = join(this.directory, "balancer.conf");
    writeFileSync(config, await this.configure(urls, port));
    this.child = spawn(...this.command(config), { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.child.stdout, this.child.stderr]) stream.setEncoding("utf8").on("data", (text) => { this.log += text; });
    this.exited = once(this.child, "exit");
    const end = Date.now() + startDeadline;
    while (!(await accepts(port))) {
      if (Date.now() > end || this.child.exitCode !== null) {
        await this.stop();
        throw new Error(`${this.constructor.name} did not start\n${this.log}`);
      }
      await pause(20); // between two looks at the condition
    }
  }

  async configure(urls, port) {
    this.commands = join(this.directory, "commands");
    this.metrics = `127.0.0.1:${await freePort()}`;
    const server = (url, i) => `  server gateway${i} ${new URL(url).host} port ${new URL(`http://${Cluster.internal.get(url)}`).port}`;
    return adapt(readFileSync(`${root}deploy/haproxy/haproxy.cfg`, "utf8"),
      [/^  stats socket \S+ /m, `  stats socket ${this.commands} `],
      [/^resolvers docker\n(  .*\n)+/m, ""], [/ resolvers docker$/m, ""], [/ port 9201\b/, ""], [/ inter 1s /, " inter 200ms "],
      [/^  bind :8080$/m, `  bind 127.0.0.1:${port}`], [/^  bind :8404$/m, `  bind ${this.metrics}`],
      [/(^  server gateway-.*\n)+/m, `${urls.map(server).join("\n")}\n`]);
  }

  command(config) {
    return ["haproxy", ["-db", "-f", config]];
  }

  /** Cuts all connections through the balancer, or those to one gateway: polling requests and WebSockets alike. */
  async cut(gateway) {
    for (let i = 0; i < this.count; i++) {
      if (gateway === undefined || i === gateway) await this.#tell(`shutdown sessions server gateways/gateway${i}`);
    }
  }

  async #tell(line) {
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

/** A running nginx that does the same. */
export class Nginx extends Balancer {
  async configure(urls, port) {
    return adapt(readFileSync(`${root}deploy/nginx/nginx.conf`, "utf8"),
      [/^pid .*;$/m, `pid ${this.directory}/nginx.pid;`],
      [/^http \{$/m, `http {\n${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((what) => `  ${what}_temp_path ${this.directory}/${what};`).join("\n")}`],
      [/listen 8080;/, `listen 127.0.0.1:${port};`],
      [/( +server gateway-\d+)\S* (.*\n)( +server gateway-.*\n)+/, urls.map((url) => `    server ${new URL(url).host} $2`).join("")]);
  }

  command(config) {
    return ["nginx", ["-p", this.directory, "-e", "stderr", "-c", config, "-g", "daemon off;"]];
  }
}

function accepts(port) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => { socket.destroy(); resolve(true); });
    socket.once("error", () => resolve(false));
  });
}
