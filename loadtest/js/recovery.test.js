import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";

import { Clients, ask, connected, modes, next, record, upgraded, within } from "./client.js";
import { Cluster } from "./cluster.js";

let cluster;
const clients = new Clients();
before(async () => { cluster = await Cluster.start({ gatewayArgs: ["--recovery", "2m"] }); });
after(() => cluster?.stop());
afterEach(() => clients.close());

// Resolves when the tick with a number has come.
function arrival(socket, number) {
  return within(new Promise((resolve) => {
    socket.on("tick", (n) => { if (n === number) resolve(); });
  }), `tick ${number}`);
}

for (const [mode, transports] of Object.entries(modes)) {
  describe(`a client that comes back, by ${mode}`, () => {
    it("has its socket, its rooms, its data and what it missed", async () => {
      const client = await clients.connect(cluster.urls[0], { transports, reconnection: false });
      const other = await clients.connect(cluster.urls[1], { transports });
      if (!transports) await upgraded(client);
      const { id } = client;
      const room = `missed by ${id}`;
      await ask(client, "join", room);
      await ask(client, "set-data", "colour", "red");
      const seen = record(client, "tick");
      await ask(other, "to-room", room, "tick", -1); // gives the client an offset to come back with

      const lost = next(client, "disconnect");
      client.io.engine.close();
      await lost;
      await ask(other, "room-burst", room, "tick", 100);
      client.connect();
      await connected(client);

      assert.equal(client.recovered, true);
      assert.equal(client.id, id);
      const me = await ask(client, "whoami");
      assert.deepEqual(me.rooms, [id, room].sort());
      assert.deepEqual(me.data, { colour: "red" });
      const last = arrival(client, 100);
      await ask(other, "to-room", room, "tick", 100);
      await last;
      assert.deepEqual(seen.map(([n]) => n), Array.from({ length: 102 }, (_, i) => i - 1));
    });

    it("starts anew after it has left by itself", async () => {
      const client = await clients.connect(cluster.urls[0], { transports });
      const { id } = client;
      client.disconnect();
      client.connect();
      await connected(client);
      assert.equal(client.recovered, false);
      assert.notEqual(client.id, id);
    });
  });
}
