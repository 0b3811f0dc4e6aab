// The status page: asks the router for an overview every second while somebody can see it, and shows it.

import { ask } from "./ask.js";
import { bytes, count, element, heading, name, nothing, rate, several, span, table, update } from "./build.js";
import { roomName, show } from "./detail.js";
import { History } from "./history.js";
import { place, toFind, toRoom, toRooms, toSockets } from "./place.js";

const every = 1_000; // ms between two overviews
const late = 3_000; // ms without one, from which the page says so

const $ = (id) => document.getElementById(id);
const history = new History();
let latest; // the last overview
let heard; // when it came
let failure; // why there is none newer
let readOnly = false;

async function poll() {
  if (!document.hidden) {
    try {
      latest = await ask("overview");
      heard = Date.now();
      failure = undefined;
      history.add(latest);
      draw();
      if (latest.read_only !== readOnly) {
        readOnly = latest.read_only;
        show($("detail"), readOnly);
      }
    } catch (error) {
      failure = error;
    }
    notes();
  }
  setTimeout(poll, every);
}

function draw() {
  const o = latest;
  update($("state"), `router ${o.router} · up ${span(o.up_ms)} · index ${bytes(o.sizes.bytes)} · `,
    o.complete ? element("span", { class: "good" }, "complete") : element("span", { class: "warn" }, o.ready ? "incomplete" : "learning"));
  tiles(o);
  update($("nodes"), ...nodes(o));
  update($("workers"), ...workers(o));
  update($("namespaces"), ...namespaces(o));
  update($("rooms"), ...places(o, "Largest rooms", o.top.rooms, "No socket is in a room.", "Room"));
  update($("users"), ...places(o, "Users with the most sockets", o.top.users, "No socket is a user's.", "User"));
  update($("gone"), ...gone(o));
}

function tiles(o) {
  const series = [
    ["Sockets", "sockets", count], ["Connections", "connections", count], ["Sessions opened / s", "opened", rate],
    ["Messages received / s", "received", rate], ["Emits / s", "emits", rate], ["Deliveries / s", "delivered", rate],
    ["Rooms", "rooms", count], ["Watches", "watches", count],
  ];
  update($("tiles"),
    ...series.map(([title, key, format]) => {
      const value = history.latest(key);
      return element("div", { class: "tile", id: `tile-${key}` }, element("span", {}, title), element("b", {}, value === null ? "–" : format(value)), history.picture(key));
    }));
}

// What a lease has left, in words.
const lease = (o, ageMS) => `${span(Math.max(0, o.lease_ms - ageMS))} of ${span(o.lease_ms)}`;

function state(node) {
  if (node.silent) return element("span", { class: "bad" }, `silent for ${span(node.age_ms)}`);
  if (!node.synced) return element("span", { class: "warn" }, "catching up");
  if (!node.status) return element("span", { class: "warn" }, "does not answer");
  const { phase, drain } = node.status;
  if (phase === "open") return element("span", { class: "good" }, "open");
  const left = drain ? [several(drain.sessions, "session"), `${count(drain.detached)} detached`, several(drain.handoffs, "handoff")].join(", ") : "";
  return element("span", { class: "warn" }, { draining: "draining: still takes clients", closed: "draining", stopping: "stopping" }[phase] ?? phase, left ? `: ${left} left` : "");
}

const some = (node, field) => node.status ? count(node.status[field]) : "–";

function nodes(o) {
  const title = heading("Nodes", several(o.sizes.nodes, "gateway"));
  if (o.nodes.length === 0) return [title, nothing(o.ready ? "No gateway has been heard: no client can connect." : "No gateway has been heard yet.")];
  return [title, table(
    [["Node"], ["State"], ["Sockets", "number"], ["Connections", "number"], ["Detached", "number wide"], ["Subjects", "number wide"], ["Heard", "number wide"], ["Lease left", "number wide"], ["Up", "number wide"]],
    o.nodes.map((node) => [name(node.id), state(node), count(node.sockets), some(node, "connections"), some(node, "detached"), some(node, "subscriptions"),
      `${span(node.age_ms)} ago`, lease(o, node.age_ms), node.status ? span(Math.max(0, o.now_ms - node.status.started)) : "–"])), cut(o.sizes.nodes, o.nodes)];
}

const cut = (all, shown) => all > shown.length ? nothing(`and ${count(all - shown.length)} more`) : undefined;

function workers(o) {
  const title = heading("Workers", several(o.sizes.workers, "worker"));
  if (o.workers.length === 0) return [title, nothing("No worker has been heard: new clients wait, and are refused after a while.")];
  return [title, table(
    [["Worker"], ["State"], ["Sockets", "number"], ["Serves"], ["Heard", "number wide"], ["Lease left", "number wide"]],
    o.workers.map((worker) => [name(worker.id),
      worker.silent ? element("span", { class: "bad" }, `silent for ${span(worker.age_ms)}`) : worker.absent ? element("span", { class: "warn" }, "does not answer") : element("span", { class: "good" }, "there"),
      count(worker.sockets), element("span", { class: "serves" }, ...serves(worker)), `${span(worker.age_ms)} ago`, lease(o, worker.age_ms)])), cut(o.sizes.workers, o.workers)];
}

function serves(worker) {
  const list = (worker.namespaces ?? []).flatMap((one, i) => i === 0 ? [name(one)] : [" ", name(one)]);
  return worker.serves > (worker.namespaces ?? []).length ? [...list, element("span", { class: "soft" }, ` and ${count(worker.serves - worker.namespaces.length)} more`)] : list;
}

const searched = (o) => o.top.known ? `as of ${span(o.top.age_ms)} ago` : "";
const searching = "The index is being searched …";

function namespaces(o) {
  const title = heading("Namespaces", [several(o.sizes.namespaces, "namespace"), searched(o)].filter(Boolean).join(", "));
  if (!o.top.known) return [title, nothing(searching)];
  if (o.top.namespaces.length === 0) return [title, nothing("No socket is connected.")];
  return [title, table([["Namespace"], ["Sockets", "number"], ["Rooms", "number"], ["Users", "number"]],
    o.top.namespaces.map((one) => [name(one.name, toSockets(one.name)), count(one.sockets),
      one.rooms + one.users > 0 ? element("a", { href: toRooms(one.name) }, count(one.rooms)) : "0", count(one.users)])), cut(o.sizes.namespaces, o.top.namespaces)];
}

function places(o, text, list, none, what) {
  const title = heading(text, searched(o));
  if (!o.top.known) return [title, nothing(searching)];
  if (list.length === 0) return [title, nothing(none)];
  return [title, table([[what], ["Namespace"], ["Sockets", "number"]],
    list.map((one) => [what === "User" ? roomName(one.name, toRoom(one.nsp, one.name)).slice(1) : name(one.name, toRoom(one.nsp, one.name)), name(one.nsp), count(one.sockets)]))];
}

function gone(o) {
  $("gone").hidden = o.gone.length === 0;
  return [heading("Nodes that are gone", "since this router was started"), table([["Node"], ["How"], ["When", "number"]],
    o.gone.map((one) => [name(one.node), one.left ? "it stopped" : element("span", { class: "bad" }, "its lease ran out"), `${span(one.ago_ms)} ago`]))];
}

// What has to be known about what is shown.
function notes() {
  const list = [];
  const note = (text, kind) => list.push(element("li", { class: kind }, text));
  if (failure && !latest) note(`The router does not answer: ${failure.message}`, "bad");
  if (failure && latest && Date.now() - heard > late) {
    note(`The router has not answered for ${span(Date.now() - heard)}. What you see is of ${new Date(heard).toLocaleTimeString()}.`, "bad");
  }
  if (latest && !failure) {
    if (latest.deaf) note("The router has lost NATS and hears nobody: what you see is the last that it knew.", "bad");
    if (!latest.ready) note("The router has just been started and is still learning who is there: sockets may be missing here.");
    for (const node of latest.nodes.filter((one) => one.silent)) {
      note(`Node ${node.id} has been silent for ${span(node.age_ms)}: ${several(node.sockets, "socket")} of it may be gone. Its lease ends after ${span(latest.lease_ms)}.`);
    }
    const behind = latest.nodes.filter((one) => !one.silent && !one.synced).map((one) => one.id);
    if (behind.length > 0) note(`The router is catching up with ${behind.join(", ")}: sockets may be missing here.`);
    if (latest.sizes.held > 0) note(`${several(latest.sizes.held, "client waits", "clients wait")} for a worker.`);
  }
  const stale = Boolean(failure && latest && Date.now() - heard > late);
  document.body.classList.toggle("stale", stale);
  if (stale) update($("state"), `router ${latest.router} · `, element("span", { class: "bad" }, "does not answer"));
  update($("notes"), ...list);
}

$("find").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("name").value.trim();
  if (text === "") return;
  if (place().get("find") === text) show($("detail"), readOnly);
  else location.hash = toFind(text);
});
addEventListener("hashchange", () => show($("detail"), readOnly));
document.addEventListener("visibilitychange", () => { if (!document.hidden) notes(); });
show($("detail"), readOnly);
poll();
