"use strict";

// What the pages of all examples do. Names and texts come from strangers: they enter a page through textContent alone.

const $ = (id) => document.getElementById(id);
const retryDelay = 1_000; // ms before coming back after a refusal that may pass

/** @returns {HTMLElement} an element with a class and a text. */
function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

/** @returns {HTMLElement} the time of day, now or of a message. */
function clock(at = Date.now()) {
  const when = new Date(at);
  const time = element("time", "", when.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" }));
  time.dateTime = when.toISOString();
  return time;
}

/** Puts a line on top of a list that keeps so many. */
function note(list, item, keep = 100) {
  list.prepend(item);
  while (list.children.length > keep) list.lastChild.remove();
}

function problem(text) {
  $("problem").textContent = text;
  $("problem").hidden = text === "";
}

function showState(state) {
  $("state").textContent = state;
  $("state").dataset.state = state;
}

/** Connects as somebody, and says on the page how that goes. Null if the client is not there. */
function connect(auth) {
  if (typeof io !== "function") {
    showState("disconnected");
    problem("The Socket.IO client is not there: /socket.io/socket.io.js did not load.\n" +
      "Install it once with `npm ci --prefix loadtest/js`; --client-dir says where the gateway looks for it.");
    return null;
  }
  const socket = io({ auth });
  const transport = (name) => { $("transport").textContent = name; };
  socket.on("connect", () => {
    problem("");
    showState("connected");
    const { engine } = socket.io;
    transport(engine.transport.name);
    engine.on("upgrade", ({ name }) => transport(name));
  });
  socket.on("disconnect", () => { showState("disconnected"); transport("–"); });
  socket.on("connect_error", (error) => {
    showState("disconnected");
    const again = socket.active || error.data?.retry === true;
    if (!socket.active && again) setTimeout(() => socket.connect(), retryDelay);
    problem(`Cannot connect: ${error.message}.${again ? " Trying again." : ""}`);
  });
  return socket;
}
