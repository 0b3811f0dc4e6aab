// What the page has seen of the cluster while it was open, and its small pictures.

import { shape } from "./build.js";

const kept = 120; // samples
const gap = 10_000; // ms without a sample, after which a line is interrupted

// Counters of gateways, of which rates are made.
const counters = ["opened", "received", "emits", "delivered"];

/** The samples of one page. */
export class History {
  #last; // the overview before
  samples = [];

  /** Takes an overview; the same one twice changes nothing. */
  add(overview) {
    const last = this.#last;
    if (last?.now_ms === overview.now_ms) return;
    this.#last = overview;
    const nodes = overview.nodes.filter((node) => node.status);
    const sum = (of) => nodes.reduce((total, node) => total + of(node.status), 0);
    const sample = { at: overview.now_ms, ...overview.sizes, connections: nodes.length > 0 || overview.nodes.length === 0 ? sum((s) => s.connections) : null };
    // Of those nodes alone that answered both times, in the same life.
    const before = new Map((last?.nodes ?? []).filter((node) => node.status).map((node) => [node.id, node.status]));
    const seconds = (overview.now_ms - (last?.now_ms ?? 0)) / 1000;
    for (const counter of counters) {
      sample[counter] = null;
      if (!last || seconds <= 0) continue;
      let grown = 0;
      let known = overview.nodes.length === 0;
      for (const { id, status } of nodes) {
        const old = before.get(id);
        if (old?.started !== status.started) continue;
        known = true;
        grown += Math.max(0, status[counter] - old[counter]);
      }
      if (known) sample[counter] = grown / seconds;
    }
    this.samples.push(sample);
    if (this.samples.length > kept) this.samples.shift();
  }

  /** The latest value of a series, or null. */
  latest(series) {
    return this.samples.at(-1)?.[series] ?? null;
  }

  /** How long the history is, in ms. */
  get length() {
    return this.samples.length < 2 ? 0 : this.samples.at(-1).at - this.samples[0].at;
  }

  /** A small picture of a series, from nought up. */
  picture(series) {
    const width = 120, height = 30;
    const end = this.samples.at(-1)?.at ?? 0;
    const start = Math.min(this.samples[0]?.at ?? 0, end - 20_000);
    const top = Math.max(1, ...this.samples.map((sample) => sample[series] ?? 0));
    const lines = [];
    let before = -Infinity;
    for (const sample of this.samples) {
      if (sample[series] === null) { before = -Infinity; continue; }
      if (sample.at - before > gap) lines.push([]);
      before = sample.at;
      const x = (sample.at - start) / (end - start) * width;
      const y = height - 1 - sample[series] / top * (height - 4);
      lines.at(-1).push(`${x.toFixed(1)},${y.toFixed(1)}`);
    }
    const drawn = lines.filter((line) => line.length > 1).flatMap((line) => {
      const first = line[0].split(",")[0], last = line.at(-1).split(",")[0];
      return [
        shape("polygon", { class: "under", points: `${first},${height} ${line.join(" ")} ${last},${height}` }),
        shape("polyline", { class: "spark", points: line.join(" ") }),
      ];
    });
    return shape("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...drawn);
  }
}
