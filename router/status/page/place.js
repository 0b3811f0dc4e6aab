// Where the page is: what it shows besides the overview, in the address behind the #, so that it can be kept and sent.

/** The parameters of the place, as a Map-like object. */
export const place = () => new URLSearchParams(location.hash.slice(1));

const to = (parameters) => `#${new URLSearchParams(parameters)}`;

/** Links to a socket, a room's sockets, a namespace's sockets and rooms, and what was looked for. */
export const toSocket = (socket) => to({ socket });
export const toRoom = (nsp, room) => to({ nsp, room });
export const toSockets = (nsp) => to({ nsp });
export const toRooms = (nsp) => to({ rooms: nsp });
export const toFind = (find) => to({ find });
