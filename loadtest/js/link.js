// A TCP link that can be cut, and stalled, between two parts of a cluster.

import { once } from "node:events";
import { connect, createServer } from "node:net";

/** A proxy on a port of its own. */
export class Link {
  #pairs = new Set();
  #state = "whole"; // or "cut", "stalled"

  /** @param {string} target host:port */
  static async start(target) {
    const link = new Link();
    const [host, port] = target.split(":");
    link.server = createServer((near) => link.#join(near, connect(Number(port), host)));
    link.server.listen(0, "127.0.0.1");
    await once(link.server, "listening");
    link.address = `127.0.0.1:${link.server.address().port}`;
    return link;
  }

  #join(near, far) {
    const pair = { near, far };
    this.#pairs.add(pair);
    const end = () => {
      this.#pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const [from, to] of [[near, far], [far, near]]) {
      from.setNoDelay(true);
      from.on("error", end).on("close", end);
      from.pipe(to);
    }
    if (this.#state === "cut") end();
    if (this.#state === "stalled") hold(pair);
  }

  /** Ends all connections with a reset, and every new one. */
  cut() {
    this.#state = "cut";
    for (const { near, far } of this.#pairs) {
      near.resetAndDestroy();
      far.resetAndDestroy();
    }
  }

  /** Moves no byte from now on, either way, and closes nothing: a peer that vanished. */
  stall() {
    this.#state = "stalled";
    for (const pair of this.#pairs) hold(pair);
  }

  /** Works again. What was stalled goes on, unless drop: then those connections are cut first, and their bytes lost. */
  heal({ drop = false } = {}) {
    if (drop) this.cut();
    this.#state = "whole";
    for (const { near, far } of this.#pairs) {
      near.pipe(far);
      far.pipe(near);
    }
  }

  /** Ends it. */
  async stop() {
    this.cut();
    this.server.close();
    await once(this.server, "close");
  }
}

function hold({ near, far }) {
  near.unpipe(far).pause();
  far.unpipe(near).pause();
}
