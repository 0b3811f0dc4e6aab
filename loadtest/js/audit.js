// An auditor of numbered events: what was lost, repeated or out of order, for each sender, room and member.
//
// A sender numbers what it sends to a room, through the contract app's "in-room". So each event goes up (client, gateway, worker) and
// comes down (worker, every gateway with a member of the room, client). One that no member has heard was lost on its way up, or in the
// worker; one that some have heard was lost on its way down.

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";

const event = "audit";
const lookAgain = 20; // ms between two looks at what has come

/** One audit, of any number of rooms. */
export class Audit {
  #senders = new Map(); // name → Sender
  #members = [];

  /**
   * Follows what a socket hears in a room that it is in. A socket that has other things to do can be followed in several rooms.
   * From then on it has to hear everything, until gone() is called on what this returns.
   */
  member(socket, room) {
    const member = new Member(room, this.#senders);
    this.#members.push(member);
    socket.on(event, (where, sender, number) => { if (where === room) member.hear(sender, number); });
    return member;
  }

  /** A sender to a room. Its name is its own, in all audits that share sockets. */
  sender(socket, room, name) {
    assert.ok(!this.#senders.has(name), `a second sender ${name}`);
    const sender = new Sender(socket, room, name);
    this.#senders.set(name, sender);
    return sender;
  }

  /** All senders. */
  senders() { return [...this.#senders.values()]; }

  /** What has happened: all numbers are 0 but those of what was sent and heard, if nothing went wrong. */
  report() {
    const total = { sent: 0, heard: 0, lostUp: 0, lostDown: 0, repeated: 0, reordered: 0 };
    for (const sender of this.#senders.values()) {
      total.sent += sender.sent;
      const members = this.#members.filter((member) => member.room === sender.room);
      const whole = members.filter((member) => member.until === undefined);
      for (let n = 0; n < sender.sent; n++) {
        const due = members.filter((member) => member.owed(sender.name, n));
        const heard = due.filter((member) => member.has(sender.name, n)).length;
        if (heard === 0 && whole.length > 0) total.lostUp += 1;
        else total.lostDown += due.length - heard;
      }
    }
    for (const member of this.#members) {
      total.heard += member.heard;
      total.repeated += member.repeated;
      total.reordered += member.reordered;
    }
    return total;
  }

  /** Waits until everything has been heard, or until nothing more has come for a while; then the report tells what is missing. */
  async settle(patience = 5000) {
    let before = -1;
    let since = Date.now();
    for (;;) {
      const { heard, lostUp, lostDown } = this.report();
      if (lostUp + lostDown === 0) return this.report();
      if (heard !== before) [before, since] = [heard, Date.now()];
      else if (Date.now() - since > patience) return this.report();
      await pause(lookAgain);
    }
  }

  /** Settles, and demands that nothing was lost, repeated or out of order. */
  async clean(what = "") {
    const { sent, heard, ...wrong } = await this.settle();
    assert.deepEqual(wrong, { lostUp: 0, lostDown: 0, repeated: 0, reordered: 0 }, `${what}: of ${sent} sent, ${heard} heard`);
    assert.ok(sent > 0 && heard > 0, `${what}: nothing was sent`);
  }
}

class Sender {
  constructor(socket, room, name) {
    Object.assign(this, { socket, room, name, sent: 0 });
  }

  /** Sends the next ones. */
  send(count = 1) {
    for (let i = 0; i < count; i++) this.socket.emit("in-room", this.room, event, this.room, this.name, this.sent++);
  }

  /** Sends the next one and waits for the worker's word that it has it. */
  ask(ms = 10_000) {
    return this.socket.timeout(ms).emitWithAck("in-room", this.room, event, this.room, this.name, this.sent++);
  }

  /** Sends a number of them, several at a time, over so many milliseconds at least. */
  async pace(count, ms) {
    const begin = Date.now();
    const end = this.sent + count;
    while (this.sent < end) {
      const due = Math.min(count, Math.ceil((count * (Date.now() - begin + lookAgain)) / Math.max(ms, 1)));
      this.send(Math.max(0, due - (count - (end - this.sent))));
      await pause(lookAgain);
    }
  }
}

class Member {
  #heard = new Map(); // sender → set of numbers
  #last = new Map();
  #since = new Map(); // sender → how many it had sent before

  constructor(room, senders) {
    Object.assign(this, { room, senders, heard: 0, repeated: 0, reordered: 0 });
    for (const [name, { sent }] of senders) this.#since.set(name, sent);
  }

  hear(sender, number) {
    const all = this.#heard.get(sender) ?? new Set();
    this.#heard.set(sender, all);
    this.heard += 1;
    if (all.has(number)) this.repeated += 1;
    else if (number < (this.#last.get(sender) ?? -1)) this.reordered += 1;
    all.add(number);
    this.#last.set(sender, Math.max(number, this.#last.get(sender) ?? -1));
  }

  has(sender, number) { return this.#heard.get(sender)?.has(number) ?? false; }

  owed(sender, number) {
    return number >= (this.#since.get(sender) ?? 0) && (this.until === undefined || number < (this.until.get(sender) ?? 0));
  }

  /** The member's socket has ended: it is owed nothing beyond what it has heard last of each sender. */
  gone() {
    this.until ??= new Map([...this.#last].map(([sender, last]) => [sender, last + 1]));
  }
}
