"use strict";

let people = new Map(); // name → connections

function plural(n, one, many) {
  return `${n} ${n === 1 ? one : many}`;
}

function show() {
  const connections = [...people.values()].reduce((sum, n) => sum + n, 0);
  $("count").textContent = people.size === 0 ? "Nobody is online"
    : `${plural(people.size, "person", "people")} on ${plural(connections, "connection", "connections")}`;
  const names = [...people.keys()].sort((a, b) => a.localeCompare(b));
  $("people").replaceChildren(...names.map((name) => {
    const item = element("li", "", name);
    if (people.get(name) > 1) item.append(element("span", "badge", `${people.get(name)} tabs`));
    return item;
  }));
}

function change(name, before, after) {
  if (before === after) return;
  let text = `${name} opened another tab`;
  if (before === 0) text = `${name} came`;
  else if (after === 0) text = `${name} left`;
  else if (after < before) text = `${name} closed a tab`;
  const item = element("li", "", "");
  item.append(clock(), text);
  note($("changes"), item);
}

function start(name) {
  const socket = connect({ name });
  if (socket === null) return;
  socket.on("disconnect", () => { people = new Map(); show(); });
  socket.on("online", (list) => { people = new Map(list.map((one) => [String(one.name), one.connections])); show(); });
  socket.on("person", ({ name: who, connections }) => {
    const person = String(who);
    change(person, people.get(person) ?? 0, connections);
    if (connections > 0) people.set(person, connections); else people.delete(person);
    show();
  });
}

$("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  $("enter").hidden = true;
  start($("name").value.trim());
});
