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
  for (const how of ["stop", "kill"]) {
    describe(`a gateway that is restarted after a ${how}, by ${mode}`, () => {
      it("has its clients back, and they hear the others again", async () => {
        const [first, second] = cluster.urls;
        const client = await clients.connect(first, { transports });
        const other = await clients.connect(second, { transports });
        if (!transports) await upgraded(client);
        const oldID = client.id;
        await ask(client, "join", "reborn");

        const lost = next(client, "disconnect");
        await cluster.gateways[0][how]();
        const [reason] = await lost;
        assert.match(reason, /^transport (close|error)$/);
        assert.equal(await ask(other, "message-with-ack", "untouched"), "untouched");

        await cluster.gateways[0].start();
        await reconnected(client);
        assert.notEqual(client.id, oldID);
        await ask(client, "join", "reborn");
        const news = next(client, "news");
        other.emit("to-room", "reborn", "news", "welcome back");
        assert.deepEqual(await news, ["welcome back"]);
      });
    });
  }
}

// While the gateway is away the client's attempts fail; it goes on trying by itself.
function reconnected(socket) {
  return socket.connected ? Promise.resolve() : next(socket, "connect", 20_000);
}

it("the first connection may come before the gateway", async () => {
  await cluster.gateways[0].stop();
  const client = clients.socket(cluster.urls[0]);
  await next(client, "connect_error");
  await cluster.gateways[0].start();
  await reconnected(client);
  await connected(client);
});
