import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";

import { Clients, ask, modes, next, record, within } from "./client.js";
import { Cluster } from "./cluster.js";

let cluster;
const clients = new Clients();
before(async () => { cluster = await Cluster.start({ gateways: 1, workers: 1 }); });
after(() => cluster?.stop());
afterEach(() => clients.close());

const filled = (size, value) => Buffer.alloc(size, value);

for (const [mode, transports] of Object.entries(modes)) {
  describe(`events by ${mode}`, () => {
    let client;
    beforeEach(async () => { client = await clients.connect(cluster.urls[0], { transports }); });

    it("come back as they went", async () => {
      const args = [1, -0.5, "héllo \u0000\u2028 \ud83d\ude00 \"\\", null, true, [], {}, { a: [{ b: "c" }] }, "", "\u001e"];
      const back = next(client, "message-back");
      client.emit("message", ...args);
      assert.deepEqual(await back, args);
    });

    it("come back without arguments", async () => {
      const back = next(client, "message-back");
      client.emit("message");
      assert.deepEqual(await back, []);
    });

    it("are acknowledged by the worker, each its own", async () => {
      const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => ask(client, "message-with-ack", { i })));
      assert.deepEqual(answers, Array.from({ length: 50 }, (_, i) => ({ i })));
    });

    it("are acknowledged by the client", async () => {
      client.on("question", (text, answer) => answer(`${text}!`, 42));
      assert.deepEqual(await ask(client, "server-emit-with-ack", 5000, "question", "why"), { values: ["why!", 42] });
    });

    it("time out when the client does not answer", async () => {
      assert.deepEqual(await ask(client, "server-emit-with-ack", 100, "ignored"), { error: true });
    });

    it("carry binary both ways, several attachments deep", async () => {
      const args = [filled(3, 1), { list: [filled(0, 0), { deep: filled(70_000, 9) }], text: "x" }, filled(1, 255)];
      const back = next(client, "message-back");
      client.emit("message", ...args);
      assert.deepEqual(await back, args);
    });

    it("carry binary in acknowledgements, both ways", async () => {
      assert.deepEqual(await ask(client, "message-with-ack", { a: [filled(5, 7)] }), { a: [filled(5, 7)] });
      client.on("blob", (blob, answer) => answer({ again: blob }));
      const answer = await ask(client, "server-emit-with-ack", 5000, "blob", filled(4, 3));
      assert.deepEqual(answer, { values: [{ again: filled(4, 3) }] });
    });

    it("carry binary that the worker made", async () => {
      const sizes = [1, 0, 1000, 100_000];
      const buffers = sizes.map((size, i) => filled(size, i));
      const back = next(client, "binary-back");
      client.emit("binary", sizes);
      const expected = { list: buffers, first: buffers[0], nested: { deep: [{ last: buffers[3] }] } };
      assert.deepEqual(await back, [expected, 4]);
    });

    it("may be large", async () => {
      const text = "x".repeat(900_000);
      assert.equal(await ask(client, "message-with-ack", text), text);
    });

    it("keep their order, 10,000 of them to the client", async () => {
      const seen = record(client, "tick");
      await within(client.timeout(30_000).emitWithAck("burst", "tick", 10_000, 20), "the burst", 30_000);
      // The acknowledgement follows the burst on the same way, so everything has arrived.
      assert.deepEqual(seen.map(([n]) => n), Array.from({ length: 10_000 }, (_, i) => i));
      assert.equal(seen[9_999][1], "x".repeat(20));
    });

    it("keep their order, 10,000 of them to the worker", async () => {
      for (let n = 0; n < 10_000; n++) client.emit("seq", n);
      const report = await client.timeout(30_000).emitWithAck("seq-report");
      assert.deepEqual(report, { seen: 10_000, inOrder: true });
    });
  });
}
