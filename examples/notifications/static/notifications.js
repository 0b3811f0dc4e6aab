"use strict";

const ackTimeout = 10_000; // ms to wait for the worker
const followed = new Set();
let socket = null;

function showFollowed() {
  $("followed").replaceChildren(...[...followed].sort().map((topic) => element("li", "", topic)));
}

async function follow(topic) {
  try {
    await socket.timeout(ackTimeout).emitWithAck("follow", topic, true);
    followed.add(topic);
    problem("");
  } catch {
    problem(`Cannot follow ${topic}.`);
  }
  showFollowed();
}

function start(name) {
  socket = connect({ name });
  if (socket === null) return;
  $("for").textContent = `Notifications for ${name}`;
  if (/^[\w-]+$/.test(name)) {
    $("command").textContent = `go run ./examples/notify --user ${name} 'Your parcel is here'`;
    $("bare").textContent = `nats pub pb.room.-.user=${name} '["notification",{"text":"Your parcel is here"}]'`;
  }
  socket.on("connect", () => {
    $("topic").disabled = $("add").disabled = false;
    if (!socket.recovered) for (const topic of followed) follow(topic); // a new socket follows nothing yet
  });
  socket.on("notification", ({ text, at }) => {
    const item = element("li", "", "");
    item.append(clock(at), String(text));
    note($("list"), item);
  });
}

$("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  $("enter").hidden = true;
  start($("name").value.trim());
});
$("follow").addEventListener("submit", (event) => {
  event.preventDefault();
  const topic = $("topic").value.trim();
  $("topic").value = "";
  if (topic !== "") follow(topic);
});
