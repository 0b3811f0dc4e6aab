// Builds the page's elements. Text is set as text everywhere: there is no way from here to markup.

/** An element with attributes (a class as "class", listeners as functions) and children, elements or text. */
export function element(tag, attributes, ...children) {
  const one = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (typeof value === "function") one.addEventListener(name, value);
    else if (value === true) one.setAttribute(name, "");
    else if (value !== false && value !== undefined && value !== "") one.setAttribute(name, value);
  }
  one.append(...children.filter((child) => child !== undefined && child !== null));
  return one;
}

/** The same for pictures. */
export function shape(tag, attributes, ...children) {
  const one = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) one.setAttribute(name, value);
  one.append(...children);
  return one;
}

// Controls, and what changes the direction of text or is not seen: a name must not look like another one.
const invisible = /[\u0000-\u001f\u007f-\u00a0\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffc\ud800-\udfff]/g;

const escaped = (character) => `\\u${character.codePointAt(0).toString(16).padStart(4, "0")}`;

/** A text with what cannot be seen made visible. */
export function visible(text) {
  return Array.from(text, (character) => {
    const point = character.codePointAt(0);
    if (point > 0xffff) return point >= 0xe0000 && point < 0xe1000 ? escaped(character) : character; // tags
    return character.replace(invisible, escaped);
  }).join("");
}

const longest = 160; // characters of a name that are shown

/** A name that somebody else has chosen, as text. Long ones are cut, and have the whole in their title. */
export function name(text, href) {
  if (text === "") return element("i", { class: "soft" }, "(empty)");
  const whole = visible(text);
  const short = whole.length > longest ? `${whole.slice(0, longest)}…` : whole;
  return element(href ? "a" : "span", { class: "name code", href, title: whole.length > longest ? whole.slice(0, 2000) : undefined }, short);
}

/**
 * Makes an element's children those that are given, and changes no more than it must: what somebody has selected, has the focus on or is
 * about to click stays where it is. Listeners are not taken over.
 */
export function update(root, ...children) {
  const fresh = children.filter((child) => child !== undefined && child !== null)
    .map((child) => typeof child === "string" ? document.createTextNode(child) : child);
  while (root.childNodes.length > fresh.length) root.lastChild.remove();
  fresh.forEach((child, i) => {
    const old = root.childNodes[i];
    if (old === undefined) root.append(child);
    else if (old.nodeName !== child.nodeName) old.replaceWith(child);
    else if (child instanceof Text) {
      if (old.data !== child.data) old.data = child.data;
    } else {
      for (const { name: attribute } of [...old.attributes]) if (!child.hasAttribute(attribute)) old.removeAttribute(attribute);
      for (const { name: attribute, value } of child.attributes) if (old.getAttribute(attribute) !== value) old.setAttribute(attribute, value);
      update(old, ...child.childNodes);
    }
  });
}

/** A table; columns are [title, kind], kinds "number" and "wide" (not on phones). */
export function table(columns, rows) {
  const cell = (tag, content, kind) => element(tag, { class: kind }, ...[content].flat());
  return element("div", { class: "table" }, element("table", {},
    element("thead", {}, element("tr", {}, ...columns.map(([title, kind]) => cell("th", title, kind)))),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map((content, i) => cell("td", content, columns[i][1])))))));
}

/** A section's heading with a remark. */
export const heading = (title, remark) => element("h2", {}, title, remark ? element("small", {}, remark) : undefined);

/** What is said where there is nothing. */
export const nothing = (text) => element("p", { class: "empty" }, text);

/** A whole number with its thousands apart. */
export const count = (n) => Math.round(n).toLocaleString("en");

/** A rate. */
export const rate = (n) => n >= 10 || n === 0 ? count(n) : n.toFixed(1);

/** A count of bytes. */
export function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB"];
  let unit = 0;
  for (; n >= 1024 && unit < units.length - 1; unit++) n /= 1024;
  return `${unit === 0 ? n : n.toFixed(1)} ${units[unit]}`;
}

/** A time span in its two largest units at most. */
export function span(ms) {
  const s = ms / 1000;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 90) return `${Math.round(s)} s`;
  const minutes = Math.round(s / 60);
  if (minutes < 90) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** One of something, or several. */
export const several = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;
