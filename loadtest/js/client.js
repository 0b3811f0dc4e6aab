// The stock client, with deadlines on everything that a test waits for.

import { Manager, io } from "socket.io-client";

/** How clients may be told to connect: each test that moves data runs with all of them. */
export const modes = {
  "polling": ["polling"],
  "websocket": ["websocket"],
  "polling, then websocket": undefined, // the client's default
};

const deadline = 10_000; // ms for anything to happen

/** Rejects if a promise takes too long; what says what was waited for. */
export function within(promise, what, ms = deadline) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${what}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** The arguments of the next event on a socket, manager or engine. Ask before causing it. */
export function next(emitter, event, ms = deadline) {
  return within(new Promise((resolve) => emitter.once(event, (...args) => resolve(args))), `"${event}"`, ms);
}

/** Emits with an acknowledgement, under the deadline. */
export function ask(socket, event, ...args) {
  return socket.timeout(deadline).emitWithAck(event, ...args);
}

/** Keeps the arguments of every occurrence of an event. */
export function record(socket, event) {
  const seen = [];
  socket.on(event, (...args) => seen.push(args));
  return seen;
}

/** Clients of one test, closed together. */
export class Clients {
  #open = [];

  /** A socket on its own connection, connected. */
  async connect(url, options = {}) {
    const socket = this.socket(url, options);
    await connected(socket);
    return socket;
  }

  /** A socket on its own connection, connecting. */
  socket(url, options = {}) {
    const socket = io(url, { forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 200, ...options });
    this.#open.push(() => socket.io.engine?.close(), () => socket.close());
    return socket;
  }

  /** A manager, for several namespaces on one connection. */
  manager(url, options = {}) {
    const manager = new Manager(url, { reconnection: false, ...options });
    this.#open.push(() => manager._close());
    return manager;
  }

  close() {
    for (const close of this.#open.splice(0).toReversed()) close();
  }
}

/** Resolves when a socket is connected; a refusal is an error. */
export function connected(socket) {
  if (socket.connected) return Promise.resolve();
  return within(new Promise((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("connect_error", reject);
  }), "the connection");
}

/** Resolves when a socket's session moves over WebSocket. */
export async function upgraded(socket) {
  const { engine } = socket.io;
  if (engine.transport.name !== "websocket") await next(engine, "upgrade");
}
