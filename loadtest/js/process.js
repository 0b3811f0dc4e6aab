// Starts Patchbay's programs as processes of their own, and ends them by their ids.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { setTimeout as pause } from "node:timers/promises";

/** The repository's root. */
export const root = fileURLToPath(new URL("../../", import.meta.url));

const startDeadline = 20_000; // ms from spawn to ready
const stopDeadline = 10_000; // ms from SIGTERM to exit
const keptLines = 200; // of a process's log, shown when it fails

// Below the range from which the kernel takes ports for outgoing connections: one of those could
// take a port between our look and the server's start.
const firstPort = 12_000;
const lastPort = 30_000;
const given = new Set();

/** A port on 127.0.0.1 that is free, and that this process has not given out before. */
export async function freePort() {
  for (;;) {
    const port = firstPort + Math.floor(Math.random() * (lastPort - firstPort));
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
}

async function isFree(port) {
  const server = createServer();
  const free = await new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => resolve(true));
  });
  if (free) await new Promise((resolve) => server.close(resolve));
  return free;
}

// Nothing outlives the tests, however they end.
const started = new Set();
process.once("exit", () => { for (const one of started) one.child.kill("SIGKILL"); });
process.once("SIGTERM", () => process.exit(1));
process.once("SIGINT", () => process.exit(1));

/** One started program. */
export class Process {
  /**
   * @param {string} program name of a binary in bin/
   * @param {string[]} args its arguments
   * @param {string|null} internal host:port of its internal listener, whose /readyz tells that it has started
   * @param {Record<string, string>} environment added to that of the tests
   */
  constructor(program, args, internal, environment = {}) {
    this.name = `${program} ${args[0]}`;
    this.path = `${root}bin/${program}`;
    this.args = args;
    this.internal = internal;
    this.environment = environment;
    this.log = [];
    this.violations = []; // lines about what NATS did not permit
  }

  async start() {
    if (!existsSync(this.path)) throw new Error(`${this.path} is not there: run make build`);
    this.child = spawn(this.path, this.args, { cwd: root, env: { ...process.env, ...this.environment }, stdio: ["ignore", "ignore", "pipe"] });
    started.add(this);
    this.exited = once(this.child, "exit").finally(() => started.delete(this));
    this.child.stderr.setEncoding("utf8").on("data", (text) => {
      const lines = text.trimEnd().split("\n");
      this.violations.push(...lines.filter((line) => /permissions violation/i.test(line)));
      this.log.push(...lines);
      this.log.splice(0, this.log.length - keptLines);
    });
    await this.#ready();
    return this;
  }

  async #ready() {
    const end = Date.now() + startDeadline;
    while (Date.now() < end) {
      if (this.child.exitCode !== null || this.child.signalCode !== null) throw this.#failure("ended at its start");
      const response = await fetch(`http://${this.internal}/readyz`).catch(() => null);
      const ok = response?.ok;
      await response?.arrayBuffer();
      if (ok) return;
      await pause(20); // between two looks at the condition
    }
    await this.kill();
    throw this.#failure("was not ready in time");
  }

  #failure(what) {
    return new Error(`${this.name} ${what}\n${this.log.join("\n")}`);
  }

  get running() {
    return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Ends the process as an operator would; anything but a clean exit is an error. */
  async stop(deadline = stopDeadline) {
    if (!this.running) return;
    this.child.kill("SIGTERM");
    const timer = setTimeout(() => this.child.kill("SIGKILL"), deadline);
    const [code, signal] = await this.exited;
    clearTimeout(timer);
    if (code !== 0) throw this.#failure(`did not stop cleanly (code ${code}, signal ${signal})`);
  }

  /** Stops the process where it is, for a time, as a machine that stalls would. */
  async freeze(ms) {
    this.child.kill("SIGSTOP");
    await pause(ms);
    this.child.kill("SIGCONT");
  }

  /** Ends the process as a power cut would. */
  async kill() {
    if (!this.running) return;
    this.child.kill("SIGKILL");
    await this.exited;
  }
}
