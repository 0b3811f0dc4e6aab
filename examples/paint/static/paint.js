"use strict";

const width = 24;
const height = 14;
const ackTimeout = 10_000; // ms to wait for the worker
const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const fields = new Map(); // "x,y" → {x, y, at, owner}
const players = new Map(); // id → what the worker last told
let me = null; // the id of our own

const pale = (hue) => `hsl(${hue} 55% 72%)`;
const strong = (hue) => `hsl(${hue} 65% 42%)`;

function paint(x, y, at, owner) {
  const key = `${x},${y}`;
  const before = fields.get(key);
  if (before === undefined || before.at < at) fields.set(key, { x, y, at, owner });
}

function draw() {
  const board = $("board");
  const pen = board.getContext("2d");
  const size = board.width / width;
  pen.clearRect(0, 0, board.width, board.height);
  pen.strokeStyle = getComputedStyle(document.body).getPropertyValue("--line");
  for (let x = 1; x < width; x++) pen.strokeRect(x * size, -1, 0, board.height + 2);
  for (let y = 1; y < height; y++) pen.strokeRect(-1, y * size, board.width + 2, 0);
  for (const { x, y, owner } of fields.values()) {
    const player = players.get(owner);
    if (player === undefined) continue;
    pen.fillStyle = pale(player.hue);
    pen.fillRect(x * size + 1, y * size + 1, size - 2, size - 2);
  }
  for (const player of players.values()) {
    pen.fillStyle = strong(player.hue);
    pen.beginPath();
    pen.arc((player.x + .5) * size, (player.y + .5) * size, size * .34, 0, 7);
    pen.fill();
  }
}

// A dot of a player's colour: an attribute, since the page allows no inline styles.
function dot(hue) {
  const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  picture.setAttribute("viewBox", "0 0 2 2");
  const circle = document.createElementNS("http://www.w3.org/2000/svg", "circle");
  for (const name of ["cx", "cy", "r"]) circle.setAttribute(name, "1");
  circle.setAttribute("fill", strong(hue));
  picture.append(circle);
  return picture;
}

function show() {
  const score = (id) => [...fields.values()].filter(({ owner }) => owner === id).length;
  const list = [...players.values()].map((player) => ({ ...player, score: score(player.id) }));
  list.sort((a, b) => b.score - a.score || a.name.localeCompare(b.name));
  $("players").replaceChildren(...list.map((player) => {
    const item = element("li", player.id === me ? "own" : "", "");
    item.append(dot(Number(player.hue)), String(player.name), element("span", "badge", String(player.score)));
    return item;
  }));
  draw();
}

function listen(socket) {
  socket.on("step", (step) => {
    players.set(step.id, step);
    paint(step.x, step.y, step.at, step.id);
    show();
  });
  socket.on("came", (newcomer) => {
    socket.emit("own", newcomer, [...fields.values()].filter(({ owner }) => owner === me).map(({ x, y, at }) => ({ x, y, at })));
  });
  socket.on("owned", (step, list) => {
    players.set(step.id, step);
    for (const { x, y, at } of list) paint(x, y, at, step.id);
    show();
  });
  socket.on("gone", (id) => { players.delete(id); show(); });
}

function start(name, room) {
  const socket = connect({});
  if (socket === null) return;
  listen(socket);
  socket.on("connect", async () => {
    if (socket.recovered) return;
    fields.clear();
    players.clear();
    try {
      const step = await socket.timeout(ackTimeout).emitWithAck("play", name, room);
      me = step.id;
      show();
    } catch {
      problem("The room is full, or no worker answers.");
    }
  });
  addEventListener("keydown", (event) => {
    const step = steps[event.key];
    if (step === undefined || me === null || !socket.connected) return;
    event.preventDefault();
    socket.emit("walk", ...step);
  });
  $("board").focus();
}

$("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  $("enter").hidden = true;
  start($("name").value.trim(), $("room").value.trim());
});
draw();
