// The part of the page that shows one thing: a socket, a room's sockets, a namespace's rooms, or what was found.

import { ask, disconnect } from "./ask.js";
import { bytes, count, element, heading, name, nothing, several, span, table, update, visible } from "./build.js";
import { place, toRoom, toSocket } from "./place.js";

const again = 2_000; // ms between two looks at a socket
const armed = 5_000; // ms for which a disconnection waits to be confirmed

let turn = 0; // of what is shown: answers to what was shown before are dropped
let timer;

/** Shows what the address asks for, or nothing. */
export async function show(root, readOnly) {
  const mine = ++turn;
  clearTimeout(timer);
  const where = place();
  const view = [["socket", socket], ["find", found], ["rooms", rooms], ["nsp", sockets]].find(([key]) => where.has(key));
  root.hidden = view === undefined;
  root.replaceChildren();
  if (view === undefined) return;
  const put = (title, ...content) => {
    if (mine !== turn) return;
    const all = content.filter((one) => one !== undefined);
    root.replaceChildren(element("div", { class: "head" }, title, element("button", { type: "button", click: () => { location.hash = ""; } }, "Close")), ...all);
  };
  const current = () => mine === turn;
  put(heading("One moment …"));
  root.scrollIntoView({ block: "nearest" });
  try {
    await view[1](where, { put, current, readOnly });
  } catch (error) {
    put(heading("That did not work"), element("p", { class: "bad" }, String(error.message ?? error)));
  }
}

/** The name of a room: a user's is that of the user. */
const userPrefix = "user=";
export const roomName = (room, href) => room.startsWith(userPrefix)
  ? [element("span", { class: "soft" }, "user "), name(room.slice(userPrefix.length), href)] : [name(room, href)];

async function found(where, { put }) {
  const text = where.get("find");
  const { socket, users, rooms, more } = await ask("find", { name: text });
  if (socket && users.length + rooms.length === 0) {
    location.replace(toSocket(socket.id));
    return;
  }
  const [only] = users;
  if (!socket && users.length === 1 && rooms.length === 0) {
    location.replace(toRoom(only.nsp, only.name));
    return;
  }
  const list = (title, places) => places.length === 0 ? [] : [element("h3", {}, title),
    table([["Namespace"], ["Sockets", "number"], [""]], places.map((one) => [name(one.nsp), count(one.sockets), element("a", { href: toRoom(one.nsp, one.name) }, "show sockets")]))];
  put(element("h2", {}, "Found ", name(text)),
    ...(socket ? [element("h3", {}, "A socket"), name(socket.id, toSocket(socket.id))] : []),
    ...list("A user", users), ...list("A room", rooms),
    !socket && users.length + rooms.length === 0 ? nothing("There is no socket with that id, no user and no room of that name, in any namespace. Names are compared as they are, letter by letter.") : undefined,
    more ? nothing("There are more namespaces than were looked at.") : undefined);
}

// A list in pages, for which the buttons move through the names after which they begin.
function pages(where, next) {
  const after = where.getAll("after");
  const go = (list) => {
    const there = place();
    there.delete("after");
    for (const one of list) there.append("after", one);
    location.hash = String(there);
  };
  if (after.length === 0 && !next) return element("div", { class: "row" }, element("button", { type: "button", click: reload }, "Look again"));
  return element("div", { class: "row" },
    element("button", { type: "button", click: () => go(after.slice(0, -1)), disabled: after.length === 0 }, "Back"),
    element("button", { type: "button", click: () => go([...after, next]), disabled: !next }, "Next"),
    element("button", { type: "button", click: reload }, "Look again"),
    element("span", { class: "soft" }, `page ${after.length + 1}`));
}

const reload = () => dispatchEvent(new Event("hashchange"));

async function sockets(where, { put }) {
  const nsp = where.get("nsp"), room = where.get("room") ?? undefined;
  const answer = await ask("sockets", { nsp, room, after: where.getAll("after").at(-1) });
  const list = answer.sockets ?? [];
  const title = room === undefined ? element("h2", {}, "Sockets of ", name(nsp)) : element("h2", {}, room.startsWith(userPrefix) ? "" : "Room ", ...roomName(room), element("small", {}, "in "), name(nsp));
  title.append(element("small", {}, several(answer.count ?? list.length, "socket")));
  put(title, list.length === 0 ? nothing("Nobody is there now.") : table([["Socket"], ["User"], ["Node", "wide"], ["Worker", "wide"]],
    list.map((one) => [name(one.id, toSocket(one.id)), one.user ? name(one.user) : "", name(one.node), one.worker ? name(one.worker) : ""])),
  pages(where, answer.next));
}

async function rooms(where, { put }) {
  const nsp = where.get("rooms");
  const answer = await ask("rooms", { nsp, after: where.getAll("after").at(-1) });
  const list = answer.rooms ?? [];
  put(element("h2", {}, "Rooms of ", name(nsp), element("small", {}, `${several(answer.count ?? 0, "room")}, by name, those of users among them`)),
    list.length === 0 ? nothing("There are no rooms. A socket's room of its own is not counted.")
      : table([["Room"], ["Sockets", "number"]], list.map((one) => [roomName(one.name, toRoom(nsp, one.name)), count(one.sockets)])),
    pages(where, answer.next));
}

async function socket(where, { put, current, readOnly }) {
  const id = where.get("socket");
  const actions = element("div", { class: "row" });
  const said = element("span", { role: "status" });
  for (const [label, session] of readOnly ? [] : [["Disconnect", false], ["Close its session", true]]) actions.append(trigger(label, async () => {
    said.textContent = "asking its gateway …";
    try {
      await disconnect(id, session);
      said.textContent = session ? "Its session is closed." : "It is disconnected.";
      said.className = "good";
    } catch (error) {
      said.textContent = String(error.message);
      said.className = "bad";
    }
    look();
  }));
  actions.append(said, readOnly ? element("span", { class: "soft" }, "This page is read-only.") : "");
  const body = element("div");
  put(element("h2", {}, "Socket ", name(id)), body, actions);
  let known;
  const look = async () => {
    clearTimeout(timer);
    let answer;
    try {
      answer = await ask("socket", { id });
    } catch (error) {
      answer = { socket: known?.socket, why: String(error.message) };
    }
    if (!current()) return;
    if (answer.socket) known = answer;
    update(body, ...facts(answer, known));
    for (const button of actions.querySelectorAll("button")) button.disabled = !answer.socket;
    if (answer.socket) timer = setTimeout(look, again);
  };
  await look();
}

function facts({ socket: one, link, why }, known) {
  if (!one) return [element("p", { class: known ? "warn" : "empty" }, known ? "It is gone: this is the last that was known of it." : "There is no socket with that id. It may be gone, or on its way between two nodes."),
    ...(known ? facts(known) : [])];
  const rows = [["Namespace", name(one.nsp)], ["User", one.user ? name(one.user, toRoom(one.nsp, userPrefix + one.user)) : element("span", { class: "soft" }, "none")],
    ["Node", name(one.node)], ["Worker", one.worker ? name(one.worker) : element("span", { class: "soft" }, "none")]];
  if (link) {
    // The session's beginning counts as an answer: a ping is due an interval after either.
    const pinged = link.age_ms - link.heard_ms > 1_000 || link.pong_wait > 0;
    rows.push(["Transport", `${link.transport}, Engine.IO ${link.protocol}, ${link.parser}`], ["Address", name(link.address)], ["Connected for", span(link.age_ms)],
      ["Queue", link.queued === 0 ? "empty" : `${bytes(link.queued)} not sent yet`],
      ["Last ping", link.pong_wait > 0 ? `sent ${span(link.pong_wait)} ago, not answered yet` : pinged ? `answered ${span(link.heard_ms)} ago` : "none was due yet"]);
  } else {
    rows.push(["Connection", element("span", { class: "warn" }, why ? `not known: ${why}` : "not known")]);
  }
  const rooms = one.rooms.filter((room) => room !== one.id);
  const shown = rooms.slice(0, 100);
  rows.push(["Rooms", rooms.length === 0 ? element("span", { class: "soft" }, "none but its own")
    : element("ul", { class: "chips" }, ...shown.map((room) => element("li", {}, ...roomName(room, toRoom(one.nsp, room)))),
      rooms.length > shown.length ? element("li", { class: "soft" }, `and ${count(rooms.length - shown.length)} more`) : undefined)]);
  rows.push(["Data", one.data === undefined ? element("span", { class: "soft" }, "none") : element("pre", {}, text(one.data))]);
  return [element("dl", {}, ...rows.flatMap(([title, value]) => [element("dt", {}, title), element("dd", {}, value)]))];
}

const longestData = 20_000; // characters

function text(data) {
  const whole = JSON.stringify(data, null, 2);
  return whole.slice(0, longestData).split("\n").map(visible).join("\n") + (whole.length > longestData ? "\n…" : "");
}

// A button that wants to be pressed twice.
function trigger(label, act) {
  let wait;
  const disarm = () => { button.textContent = label; button.classList.remove("armed"); clearTimeout(wait); };
  const button = element("button", { type: "button", class: "danger", click: () => {
    if (!button.classList.contains("armed")) {
      button.textContent = `${label}: sure?`;
      button.classList.add("armed");
      wait = setTimeout(disarm, armed);
      return;
    }
    disarm();
    act();
  } }, label);
  return button;
}
