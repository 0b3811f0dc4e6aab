import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";

import { Clients, ask, connected, modes, next, upgraded } from "./client.js";
import { Cluster } from "./cluster.js";

let cluster;
const clients = new Clients();
before(async () => { cluster = await Cluster.start(); });
after(() => cluster?.stop());
afterEach(() => clients.close());

for (const [mode, transports] of Object.entries(modes)) {
  describe(`connecting by ${mode}`, () => {
    const socket = (path = "", options = {}) => clients.socket(cluster.urls[0] + path, { transports, ...options });

    it("tells the worker what the client said of itself", async () => {
      const client = socket("", { auth: { user: "ada", n: 1 }, query: { from: "test" } });
      const greeting = next(client, "auth");
      await connected(client);
      assert.deepEqual(await greeting, [{ user: "ada", n: 1 }]);
      const me = await ask(client, "whoami");
      assert.equal(me.id, client.id);
      assert.equal(me.nsp, "/");
      assert.deepEqual(me.rooms, [client.id]);
      assert.equal(me.recovered, false);
      assert.equal(me.query.from, "test");
      assert.deepEqual(me.auth, { user: "ada", n: 1 });
      assert.deepEqual(me.data, {});
      assert.notEqual(me.node, "");
    });

    it("greets a client without an auth payload with an empty one", async () => {
      const client = socket();
      assert.deepEqual(await next(client, "auth"), [{}]);
    });

    it("lets clients into several namespaces on one connection", async () => {
      const manager = clients.manager(cluster.urls[0], { transports });
      const sockets = ["/", "/custom", "/dynamic-7"].map((nsp) => manager.socket(nsp));
      await Promise.all(sockets.map(connected));
      assert.equal(new Set(sockets.map((s) => s.id)).size, 3);
      for (const s of sockets) {
        assert.equal((await ask(s, "whoami")).nsp, s.nsp);
      }
      sockets[1].disconnect();
      assert.deepEqual(await ask(sockets[2], "message-with-ack", "still here"), "still here");
    });

    it("refuses a namespace that does not exist", async () => {
      const [error] = await next(socket("/nowhere"), "connect_error");
      assert.equal(error.message, "Invalid namespace");
    });

    it("refuses what the middleware refuses, with its data", async () => {
      const [error] = await next(socket("/auth", { auth: { token: "wrong" } }), "connect_error");
      assert.equal(error.message, "not authorized");
      assert.deepEqual(error.data, { code: "E_AUTH", retry: false });
    });

    it("lets in what the middleware lets in", async () => {
      const client = socket("/auth", { auth: { token: "secret" } });
      await connected(client);
      assert.equal((await ask(client, "whoami")).nsp, "/auth");
    });

    it("keeps data of the socket", async () => {
      const client = socket();
      await connected(client);
      await ask(client, "set-data", "colour", "red");
      assert.deepEqual(await ask(client, "set-data", "size", [1, 2]), { colour: "red", size: [1, 2] });
      assert.deepEqual((await ask(client, "whoami")).data, { colour: "red", size: [1, 2] });
    });

    describe("gives the reasons of a disconnection", () => {
      const watched = async () => {
        const watcher = await clients.connect(cluster.urls[1], { transports });
        await ask(watcher, "join", "watchers");
        const client = socket("", { reconnection: false });
        await connected(client);
        if (!transports) await upgraded(client);
        return { client, id: client.id, left: next(watcher, "peer-left") };
      };

      it("the client leaves the namespace", async () => {
        const { client, id, left } = await watched();
        const reason = next(client, "disconnect");
        client.disconnect();
        assert.equal((await reason)[0], "io client disconnect");
        assert.deepEqual(await left, [id, "client namespace disconnect"]);
      });

      for (const close of [false, true]) {
        it(`the server disconnects it${close ? ", connection and all" : ""}`, async () => {
          const { client, id, left } = await watched();
          const reason = next(client, "disconnect");
          client.emit("disconnect-me", close);
          assert.equal((await reason)[0], "io server disconnect");
          assert.deepEqual(await left, [id, "server namespace disconnect"]);
        });
      }

      it("the connection ends", async () => {
        const { client, id, left } = await watched();
        client.io.engine.close();
        assert.deepEqual(await left, [id, "transport close"]);
      });
    });
  });
}

describe("the transport", () => {
  it("is upgraded by default, and the worker sees it", async () => {
    const client = await clients.connect(cluster.urls[0]);
    await upgraded(client);
    assert.equal((await ask(client, "whoami")).transport, "websocket");
  });

  for (const transport of ["polling", "websocket"]) {
    it(`stays ${transport} when there is no other`, async () => {
      const client = await clients.connect(cluster.urls[0], { transports: [transport] });
      assert.equal((await ask(client, "whoami")).transport, transport);
    });
  }
});
