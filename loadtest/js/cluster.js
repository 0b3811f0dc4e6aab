// A Patchbay cluster of separate processes: NATS, a router, gateways and contract workers. NATS has the users and
// permissions of deploy/nats, so that every test also shows that they suffice.

import { Process, freePort, root } from "./process.js";

const secret = "a secret of the tests";
const password = (role) => `${role}-password`;
const roles = ["gateway", "router", "worker", "emitter", "operator", "admin"];
const passwords = Object.fromEntries(roles.map((role) => [`PATCHBAY_NATS_${role.toUpperCase()}_PASSWORD`, password(role)]));

/** A running cluster. */
export class Cluster {
  #all = [];

  /** Of each gateway's URL the host:port of its internal listener. */
  static internal = new Map();

  /**
   * Starts a cluster; each part is ready when this resolves.
   * Recovery is off unless gatewayArgs says otherwise: with it each event has one more argument, its offset.
   * Of several NATS servers, the i-th gateway, router or worker is told of the i-th (modulo their number), and learns of the others from it.
   * reach, if given, says where a part finds a NATS server: it gets the kind of the part, its number, and the server's host:port.
   * program is the application that the workers run.
   * @param {{servers?: number, gateways?: number, workers?: number, routers?: number, program?: string, gatewayArgs?: string[],
   *   reach?: (kind: string, i: number, server: string) => string | Promise<string>}} shape
   */
  static async start({
    servers = 1, gateways = 2, workers = 2, routers = 1, program = "contract", gatewayArgs = ["--recovery", "0"], reach = (kind, i, server) => server,
  } = {}) {
    const cluster = new Cluster();
    try {
      await cluster.#startServers(servers);
      await cluster.#start({ gateways, workers, routers, program, gatewayArgs, reach });
    } catch (error) {
      await cluster.kill();
      throw error;
    }
    return cluster;
  }

  // Each server has routes to all, itself included: NATS finds out.
  async #startServers(count) {
    const listens = [];
    const routes = [];
    for (let i = 0; i < count; i++) {
      listens.push(`127.0.0.1:${await freePort()}`);
      routes.push(`127.0.0.1:${await freePort()}`);
    }
    const list = routes.map((route) => `nats://${route}`).join(",");
    this.addresses = listens;
    this.servers = await Promise.all(listens.map((listen, i) => this.#run("patchbay", [
      "nats", "--listen", listen, "--server-config", `${root}deploy/nats/server.conf`, ...(count > 1 ? ["--cluster", routes[i], "--routes", list, "--server-name", `n${i}`] : []),
    ], passwords)));
    [this.nats] = this.servers;
  }

  async #start({ gateways, workers, routers, program, gatewayArgs, reach }) {
    const parts = [];
    const several = async (kind, list, count, program, args) => {
      for (let i = 0; i < count; i++) {
        const nats = await reach(kind, i, this.addresses[i % this.addresses.length]);
        const own = await args(i);
        const login = { PATCHBAY_NATS_USER: kind, PATCHBAY_NATS_PASSWORD: password(kind) };
        parts.push(this.#run(program, [...own, "--nats", `nats://${nats}`], login).then((one) => {
          list[i] = one;
          if (kind === "gateway") Cluster.internal.set(this.urls[i], one.internal);
        }));
      }
    };
    this.routers = [];
    this.workers = [];
    this.gateways = [];
    this.urls = [];
    await several("router", this.routers, routers, "patchbay", () => ["router"]);
    await several("worker", this.workers, workers, program, () => []);
    await several("gateway", this.gateways, gateways, "patchbay", async () => {
      const listen = `127.0.0.1:${await freePort()}`;
      this.urls.push(`http://${listen}`);
      return ["gateway", "--listen", listen, "--secret", secret, "--cors-origin", "*", ...gatewayArgs];
    });
    await Promise.all(parts);
  }

  /** The sum of a counter over processes, by the text that its lines begin with. */
  static async counted(processes, prefix) {
    let sum = 0;
    for (const one of processes) {
      const text = await (await fetch(`http://${one.internal}/metrics`)).text();
      for (const line of text.split("\n")) if (line.startsWith(prefix)) sum += Number(line.split(" ").at(-1));
    }
    return sum;
  }

  async #run(program, args, environment) {
    const internal = `127.0.0.1:${await freePort()}`;
    const process = new Process(program, [...args, "--internal", internal], internal, environment);
    this.#all.push(process);
    return process.start();
  }

  /** Ends all, clients' side first; fails if one of them does not stop cleanly, or did what NATS does not permit its role. */
  async stop() {
    try {
      for (const process of this.#all.toReversed()) await process.stop();
      const violations = this.#all.flatMap((process) => process.violations);
      if (violations.length > 0) throw new Error(`NATS refused what a part needs (see deploy/nats/users.conf):\n${violations.join("\n")}`);
    } finally {
      await this.kill();
    }
  }

  async kill() {
    await Promise.all(this.#all.map((process) => process.kill()));
  }
}
