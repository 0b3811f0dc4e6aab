// socket.io on Node with the three load events, and nothing else:
//
//   node loadtest/peers/node/server.js --port 3000 [--redis redis://127.0.0.1:6379] [--recovery] [--deflate] [--msgpack]
//
// With --redis it is one of several nodes that share rooms through Redis, with --deflate it takes offers of permessage-deflate, with --msgpack it
// speaks socket.io-msgpack-parser's encoding. It prints "ready" once clients can come.

import { createServer } from "node:http";
import { parseArgs } from "node:util";
import { Server } from "socket.io";

const { values } = parseArgs({
  options: { port: { type: "string" }, redis: { type: "string" }, recovery: { type: "boolean" }, deflate: { type: "boolean" }, msgpack: { type: "boolean" } },
});

const http = createServer();
const io = new Server(http, {
  connectionStateRecovery: values.recovery ? { maxDisconnectionDuration: 120_000 } : undefined,
  perMessageDeflate: values.deflate ?? false,
  parser: values.msgpack ? (await import("socket.io-msgpack-parser")).default : undefined,
});

if (values.redis) {
  const { createClient } = await import("redis");
  const { createAdapter } = await import("@socket.io/redis-adapter");
  const publisher = createClient({ url: values.redis });
  const subscriber = publisher.duplicate();
  await Promise.all([publisher.connect(), subscriber.connect()]);
  io.adapter(createAdapter(publisher, subscriber));
}

io.on("connection", (socket) => {
  socket.on("join", async (room, ack) => {
    await socket.join(room);
    ack?.([...socket.rooms]);
  });
  socket.on("publish", (room, payload) => { io.to(room).emit("msg", payload); });
  socket.on("echo", (payload, ack) => { ack?.(payload); });
});

http.listen({ port: Number(values.port), host: "127.0.0.1", backlog: 4096 }, () => console.log("ready"));
process.once("SIGTERM", () => process.exit(0));
