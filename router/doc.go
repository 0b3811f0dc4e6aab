// Package router is the service that owns membership: who is connected, in which rooms, on
// which node, served by which worker. It admits sockets, watches leases and answers queries.
// At least two routers run at once; each hears everything, they share only the queues of CONNECTs
// and queries, and any may die or start at any time.
//
// # Structure
//
// One goroutine, the loop, owns all state and reads one inbox; nothing here has a lock. What it
// decides is decided by state machines that take messages and a time and return what to do: table
// (with index, the memory), leases, workers, admission (with flights) and queries. They have no
// clock, no goroutine and no connection, and are tested without any.
//
// # Membership
//
// Gateways are the truth about their own sockets; the index is a copy with a known age.
//
//   - A node is (id, epoch). Batches of an older epoch are ignored; the first of a newer one
//     empties the node, and Lost is announced for the old.
//   - A batch at version v with n changes continues a table at v-n. Repeated batches do nothing,
//     overlapping ones are trimmed, an empty one is a beat. A batch that starts beyond the table's
//     version shows a gap, as does a beat, as does the first sight of a node that has a version.
//   - At a gap the node's snapshot is requested, of at most 8 nodes at once. Its parts are
//     collected apart and replace what was known of the node in one step, so that no query sees half;
//     batches that came on the feed meanwhile (the latest 262,144 changes) follow. Parts are numbered: one that is not the
//     next shows that one was lost, and the snapshot is asked for again, at once for the first time. A snapshot that
//     stands still for two beats (its last part was lost, or its request) is asked for again, then after four, and so on
//     up to thirty-two; one that lost a part for the second time waits likewise.
//     Each request has its own reply subject, so parts of two attempts never mix.
//   - A node that stops publishes one last batch that says so, when its sockets are out. It is applied and the node
//     dropped, its lease and the mending of a gap with it: it is missing in no answer. Lost is announced only if
//     the table still had sockets of it. After that nothing of that epoch is taken, whatever it says, only a
//     newer epoch: the leaving is the last that the connection published, so what comes later is a repetition. (A
//     node whose lease ran out may come back in its epoch, for it may have been cut off only.) The ends
//     of the last 1,024 nodes are remembered.
//   - Feeds of different nodes are not ordered among each other. While a session moves, two
//     nodes may claim one socket: the claim that came last is listed (once: counts never see
//     two), the other waits and is listed if the first goes. Once both feeds are read the index is
//     right in whatever order they came.
//   - A change that makes no sense (an unknown socket, an id that is none) is counted and skipped.
//
// A socket with three rooms costs some 150 bytes: ids are packed into 16 bytes, all references are
// 32-bit numbers into slabs, names of rooms, namespaces, workers and nodes exist once, and what is found by hash is not
// stored a second time for it. Rooms and nodes have dense lists of sockets, and every entry knows its counterpart's place, so
// joining and leaving cost the same in a room of ten and of a million. Namespaces have their sockets and rooms in
// order, so that a page costs what it returns.
//
// A room named like a user's (backplane.UserRoom) is one as any other, by which sockets are counted.
//
// # Leases
//
// A node or worker that is silent for a lease (5 s) is dead: Lost is published, a node's sockets
// leave the index, a worker gets no more sockets. Lost may be said by each router: it is
// idempotent.
//
// Silence counts only while the router could hear. It sends itself a pulse over NATS, twice a
// beat; only a pulse that comes back within a beat ends leases, as of when it was sent. After more than two
// beats without such a pulse (the process was stopped, NATS was away, the inbox was flooded)
// everybody gets a fresh lease and a new hello is said. So a router that was deaf declares nobody dead.
//
// # Admission
//
// A CONNECT is passed on as it is, with the gateway's reply subject, to the serving worker that has the
// least sockets: those in the index and those passed to it that are not there yet. Ties go round.
// A worker serves what its beat names: a namespace ("/chat"), every namespace ("*"), or else a
// Go regular expression, which it should anchor ("^/dynamic-\d+$").
//
// If no worker is known, if the router is younger than a lease and none known serves the namespace,
// or if those that serve it are not there at the moment, the CONNECT waits: at most 5 s, 10,000 of them, 64 MiB.
// If workers are known and none serves it, it is refused as Socket.IO does. What a client gets:
//
//	message              data                                    when
//	Invalid namespace                                            workers are known, none serves it
//	no worker available  {"code":"E_NO_WORKER","retry":true}     none came in time
//	server busy          {"code":"E_BUSY","retry":true}          too many wait
//	server stopping      {"code":"E_STOPPING","retry":true}      it waited at a router that stopped
//
// NATS reports "no responders" only to the connection that published, and only on a reply subject
// of that connection's own; a CONNECT passed on bears the gateway's. So after
// each turn in which CONNECTs were passed on, the router sends each worker concerned one request of the verb
// `probe`, which needs no answer and which workers ignore. If nobody is subscribed, NATS says so at once:
// the worker is not chosen until its next beat, and what was passed to it and has not shown in the
// index goes to another, at most four times. Without this a killed worker, whose sockets
// leave it, would be the least loaded one and swallow every CONNECT until its lease ends. A worker that was
// only cut off for a moment may so get a CONNECT that went to another as well: a gateway takes
// the first answer, and must tell a worker whose acceptance comes second that the socket is gone.
//
// # Queries
//
// A query waits (2 s at most, 1,024 of them) until the index has reached every version in Seen. A version of an
// epoch that has ended counts as reached: nothing is left of it. Complete is false, and Missing names
// the nodes, if a node was silent for two and a half beats, is being resynchronised, or has not
// reached Seen. AgeMS is the time since the node heard longest ago was heard. Pages end at their limit
// (1,000 by default, 10,000 at most) or at three quarters of NATS's largest message, whichever comes
// first. Socket ids and room names are ordered by code unit; a page is of the moment at which it was read, so that
// sockets that come or go between pages may be missed, and none is named twice. Count is the whole
// number, of rooms, users or sockets; in pages of sockets only where nobody has to count. A socket is in the room of its own id, which counts
// for Count and Sockets but is not listed among Rooms.
//
// # Watches
//
// A query to watch a room or namespace is answered with the sockets that are there, and from then on with who comes and
// goes: at each turn's end the difference between the index and what it was at the last. Unwatched places note nothing. A watch
// ends without a renewal for a lease, and its watcher goes to another router when this one stops or dies. docs/membership.md has
// what a watcher can rely on.
//
// # The status page
//
// Package status serves it. What it shows comes from looks: functions that the loop runs between two turns, each of a cost that
// does not depend on how many sockets there are. The largest rooms are searched for a part at a time, while somebody wants to know.
//
// # Starting and stopping
//
// A router that starts says hello, upon which workers beat and gateways publish a batch. It takes
// CONNECTs at once. It takes queries at once if it is the only router, and lets them wait; otherwise the
// others have them until it is ready: one and a half beats after the hello, with the snapshots of all nodes
// that it heard (or after four leases, whatever is missing).
//
// A router that stops
//
//   - leaves the queues and reads what NATS had given it until then; from here on CONNECTs are not
//     decided but collected, those that were held among them;
//   - publishes them to the queue once more, as they came, so that another router takes them, and after them a
//     message without data, which routers ignore. NATS answers that message if no router is there (it
//     says so only of messages whose reply subject is the publisher's own);
//   - if nobody is there, decides them as ever, and refuses with a retry what no worker can have;
//   - answers the queries that wait as it can.
//
// No step waits for a time: each ends when NATS has processed what went before it, or with Stop's context. Nothing
// that NATS gives to the router is lost.
package router
