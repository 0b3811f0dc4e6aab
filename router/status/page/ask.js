// Questions to the router.

const patience = 5_000; // ms

async function answered(request) {
  const response = await request;
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error ?? `the router answers with status ${response.status}`);
  return answer;
}

/** Asks, with parameters of which undefined ones are left out. */
export function ask(what, parameters = {}) {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined);
  const query = given.length > 0 ? `?${new URLSearchParams(given)}` : "";
  return answered(fetch(`api/${what}${query}`, { signal: AbortSignal.timeout(patience) }));
}

/** Disconnects a socket, or with session the whole of its session. */
export function disconnect(socket, session) {
  return answered(fetch("api/disconnect", {
    method: "POST", signal: AbortSignal.timeout(patience),
    headers: { "Content-Type": "application/json", "Patchbay-Status": "1" },
    body: JSON.stringify({ socket, session }),
  }));
}
