// A Patchbay cluster of separate processes: NATS, a router, gateways and contract workers.

import { Process, freePort } from "./process.js";

const secret = "a secret of the tests";

/** A running cluster. */
export class Cluster {
  #all = [];

  /**
   * Starts a cluster; each part is ready when this resolves.
   * Recovery is off unless gatewayArgs says otherwise: with it each event has one more argument, its offset.
   * @param {{gateways?: number, workers?: number, routers?: number, gatewayArgs?: string[]}} shape
   */
  static async start({ gateways = 2, workers = 2, routers = 1, gatewayArgs = ["--recovery", "0"] } = {}) {
    const cluster = new Cluster();
    try {
      await cluster.#start(gateways, workers, routers, gatewayArgs);
    } catch (error) {
      await cluster.kill();
      throw error;
    }
    return cluster;
  }

  async #start(gateways, workers, routers, gatewayArgs) {
    const nats = `127.0.0.1:${await freePort()}`;
    const url = `nats://${nats}`;
    this.nats = await this.#run("patchbay", ["nats", "--listen", nats]);
    const parts = [];
    const several = (list, count, program, args) => {
      for (let i = 0; i < count; i++) parts.push(this.#run(program, args).then((one) => { list[i] = one; }));
    };
    this.routers = [];
    this.workers = [];
    this.gateways = [];
    several(this.routers, routers, "patchbay", ["router", "--nats", url]);
    several(this.workers, workers, "contract", ["--nats", url]);
    this.urls = [];
    for (let i = 0; i < gateways; i++) {
      const listen = `127.0.0.1:${await freePort()}`;
      this.urls.push(`http://${listen}`);
      const args = ["gateway", "--nats", url, "--listen", listen, "--secret", secret, "--cors-origin", "*", ...gatewayArgs];
      parts.push(this.#run("patchbay", args).then((gateway) => { this.gateways[i] = gateway; }));
    }
    await Promise.all(parts);
  }

  async #run(program, args) {
    const internal = `127.0.0.1:${await freePort()}`;
    const process = new Process(program, [...args, "--internal", internal], internal);
    this.#all.push(process);
    return process.start();
  }

  /** Ends all, clients' side first; fails if one of them does not stop cleanly. */
  async stop() {
    try {
      for (const process of this.#all.toReversed()) await process.stop();
    } finally {
      await this.kill();
    }
  }

  async kill() {
    await Promise.all(this.#all.map((process) => process.kill()));
  }
}
