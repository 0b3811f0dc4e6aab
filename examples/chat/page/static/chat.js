"use strict";

// Names and texts come from strangers: they enter the page through textContent alone.

const ackTimeout = 10_000; // ms to wait for a worker's answer
const retryDelay = 1_000; // ms before coming back after a refusal that may pass
const keep = 500; // messages that stay on the page

const $ = (id) => document.getElementById(id);

/** @returns {HTMLElement} an element with a class and a text. */
function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function add(item) {
  const list = $("messages");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.append(item);
  while (list.children.length > keep) list.firstChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight; // but leave alone whoever reads further up
}

function note(text) {
  add(element("li", "note", text));
}

function problem(text) {
  $("problem").textContent = text;
  $("problem").hidden = text === "";
}

function showMessage({ from, text, at }) {
  const when = new Date(at);
  const time = element("time", "", "");
  if (!Number.isNaN(when.getTime())) {
    time.dateTime = when.toISOString();
    time.textContent = when.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  }
  const item = element("li", from === joined?.name ? "own" : "", "");
  item.append(time, element("span", "from", String(from)), element("span", "text", String(text)));
  add(item);
}

function showPresent(names) {
  $("present").replaceChildren(...names.map((name) => element("li", "", String(name))));
}

function showState(state) {
  $("state").textContent = state;
  $("state").dataset.state = state;
  const able = state === "connected" && joined !== null;
  $("text").disabled = $("send").disabled = !able;
}

function showTransport(name) {
  $("transport").textContent = name;
  $("transport").dataset.transport = name;
}

let joined = null; // {room, name} once the worker has let us in

async function join(socket, room, name) {
  try {
    await socket.timeout(ackTimeout).emitWithAck("join", room, name);
  } catch {
    problem("Nobody answered the request to enter the room. Is a chat worker running?");
    return;
  }
  const again = joined !== null && joined.room === room && joined.name === name;
  joined = { room, name };
  problem("");
  $("where").textContent = room;
  if (!again) $("messages").replaceChildren();
  showState(socket.connected ? "connected" : "disconnected");
  const names = await socket.timeout(ackTimeout).emitWithAck("who").catch(() => null);
  if (Array.isArray(names)) showPresent(names);
  $("text").focus();
}

async function send(socket, text) {
  try {
    await socket.timeout(ackTimeout).emitWithAck("chatMessage", text);
  } catch {
    add(element("li", "note", `Not delivered: ${text}`));
  }
}

function watchConnection(socket) {
  socket.on("connect", async () => {
    problem("");
    showState("connected");
    const engine = socket.io.engine;
    showTransport(engine.transport.name);
    engine.on("upgrade", (transport) => showTransport(transport.name));
    if (joined) join(socket, joined.room, joined.name); // a new socket has no rooms yet
    const me = await socket.timeout(ackTimeout).emitWithAck("whoami").catch(() => null);
    if (me) $("node").textContent = String(me.node);
  });
  socket.on("disconnect", (reason) => {
    showState("disconnected");
    showTransport("–");
    $("node").textContent = "–";
    note(`Connection lost (${reason}).${socket.active ? " Trying again." : ""}`);
  });
  socket.on("connect_error", (error) => {
    showState("disconnected");
    // The client goes on by itself after a failed connection, but not after a refusal; this one says if it may pass.
    const again = socket.active || error.data?.retry === true;
    if (!socket.active && again) setTimeout(() => socket.connect(), retryDelay);
    problem(`Cannot connect: ${error.message}.${again ? " Trying again." : ""}`);
  });
}

function start() {
  const socket = io();
  watchConnection(socket);
  socket.on("welcome", (text) => note(String(text)));
  socket.on("chatMessage", showMessage);
  socket.on("present", showPresent);

  $("join").addEventListener("submit", (event) => {
    event.preventDefault();
    join(socket, $("room").value.trim() || "lobby", $("name").value.trim());
  });
  $("compose").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = $("text").value.trim();
    $("text").value = "";
    if (text !== "") send(socket, text);
  });
}

if (typeof io === "function") {
  start();
} else {
  showState("disconnected");
  $("enter").disabled = true;
  problem("The Socket.IO client is not there: /socket.io/socket.io.js did not load.\n" +
    "Install it once with `npm ci --prefix loadtest/js`, or start with `make demo`; " +
    "--client-dir says where the gateway looks for it.");
}
