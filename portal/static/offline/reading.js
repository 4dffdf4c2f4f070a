// Bytes, JSON, CBOR and certificates, each read in one way only: what we accept, we would write so.
"use strict";
const Reading = (() => {
  class Unreadable extends Error {}
  const fail = (why) => { throw new Unreadable(why); };
  const utf8 = (text) => new TextEncoder().encode(text);
  const text = (bytes) => {
    try { return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes); } catch { return fail("it is not UTF-8"); }
  };
  const hex = (bytes) => Array.from(bytes, (one) => one.toString(16).padStart(2, "0")).join("");
  const join = (...parts) => {
    const found = new Uint8Array(parts.reduce((sum, one) => sum + one.length, 0));
    let at = 0;
    for (const one of parts) { found.set(one, at); at += one.length; }
    return found;
  };
  const same = (one, other) => one.length === other.length && one.every((value, at) => value === other[at]);
  const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

  function base64(given, alphabet = "base64") {
    if (typeof given !== "string") fail("not base64");
    const plain = alphabet === "base64url" ? given.replace(/-/g, "+").replace(/_/g, "/") : given;
    if (alphabet === "base64url" && /[+/=]/.test(given)) fail("not base64url");
    let bytes;
    try { bytes = Uint8Array.from(atob(plain), (one) => one.charCodeAt(0)); } catch { fail("not base64"); }
    if (toBase64(bytes, alphabet) !== given) fail("not canonical base64");
    return bytes;
  }
  function toBase64(bytes, alphabet = "base64") {
    let binary = "";
    for (let at = 0; at < bytes.length; at += 8192) binary += String.fromCharCode(...bytes.subarray(at, at + 8192));
    const found = btoa(binary);
    return alphabet === "base64url" ? found.replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "") : found;
  }

  // RFC 9285 section 4.
  function base45(given) {
    const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
    const found = [];
    for (let at = 0; at < given.length; at += 3) {
      const part = Array.from(given.slice(at, at + 3), (one) => letters.indexOf(one));
      if (part.includes(-1) || part.length === 1) fail("not base45");
      const number = part.reduce((sum, value, place) => sum + value * 45 ** place, 0);
      if (number >= 256 ** (part.length - 1)) fail("not base45");
      if (part.length === 3) found.push(number >> 8);
      found.push(number & 255);
    }
    return Uint8Array.from(found);
  }

  // zlib, to at most so many bytes.
  async function inflate(bytes, most) {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const reader = stream.getReader();
    const parts = [];
    let size = 0;
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        size += value.length;
        if (size > most) { await reader.cancel(); fail("it is too large"); }
        parts.push(value);
      }
    } catch (error) {
      if (error instanceof Unreadable) throw error;
      fail("it cannot be inflated");
    }
    return join(...parts);
  }

  // CBOR as RFC 8949 section 4.2.1 has it: shortest heads, definite lengths, keys in order, once.
  function cbor(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = 0;
    const need = (count) => { if (at + count > bytes.length) fail("it ends too early"); };
    function head() {
      need(1);
      const first = bytes[at++];
      const kind = first >> 5, small = first & 31;
      if (small < 24) return [kind, small];
      const width = { 24: 1, 25: 2, 26: 4, 27: 8 }[small] ?? fail("an indefinite length");
      need(width);
      const value = width === 1 ? view.getUint8(at) : width === 2 ? view.getUint16(at)
        : width === 4 ? view.getUint32(at) : Number(view.getBigUint64(at));
      at += width;
      const least = { 1: 24, 2: 256, 4: 65536, 8: 2 ** 32 }[width];
      if (value < least || !Number.isSafeInteger(value)) fail("a number is not in its shortest form");
      return [kind, value];
    }
    function item(depth) {
      if (depth > 8) fail("it is nested too deep");
      const [kind, value] = head();
      if (kind === 0) return value;
      if (kind === 1) return -1 - value;
      if (kind === 2 || kind === 3) {
        need(value);
        const part = bytes.slice(at, at += value);
        return kind === 2 ? part : text(part);
      }
      if (kind === 4) return Array.from({ length: Math.min(value, bytes.length) }, () => item(depth + 1));
      if (kind === 5) {
        const found = new Map();
        let before = null;
        for (let n = 0; n < value; n++) {
          const start = at, key = item(depth + 1), raw = bytes.subarray(start, at);
          if (before && compare(before, raw) >= 0) fail("keys are not in order");
          before = raw;
          found.set(key, item(depth + 1));
        }
        return found;
      }
      if (kind === 6) return { tag: value, value: item(depth + 1) };
      return { 20: false, 21: true, 22: null }[value] ?? (value === 22 ? null : fail("a value that is not used"));
    }
    const found = item(0);
    if (at !== bytes.length) fail("something follows it");
    return found;
  }
  function compare(one, other) {
    for (let at = 0; at < Math.min(one.length, other.length); at++) if (one[at] !== other[at]) return one[at] - other[at];
    return one.length - other.length;
  }

  // JSON whose numbers stay as they are written, and whose members stand once.
  class Digits { constructor(raw) { this.raw = raw; } }
  function json(given) {
    let at = 0;
    const space = () => { while (/[ \t\r\n]/.test(given[at] ?? "x")) at++; };
    const expect = (what) => { if (!given.startsWith(what, at)) fail("it is not JSON"); at += what.length; };
    function string() {
      const match = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
      match.lastIndex = at;
      const found = match.exec(given) ?? fail("it is not JSON");
      at += found[0].length;
      const said = JSON.parse(found[0]);
      if (/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(said)) fail("half of a character");
      return said;
    }
    function value(depth) {
      if (depth > 64) fail("it is nested too deep");
      space();
      const next = given[at];
      if (next === '"') return string();
      if (next === "{") {
        const found = new Map();
        at++; space();
        if (given[at] === "}") { at++; return found; }
        for (;;) {
          space();
          const key = string();
          if (found.has(key)) fail("a member stands twice");
          space(); expect(":");
          found.set(key, value(depth + 1));
          space();
          if (given[at] === "}") { at++; return found; }
          expect(",");
        }
      }
      if (next === "[") {
        const found = [];
        at++; space();
        if (given[at] === "]") { at++; return found; }
        for (;;) {
          found.push(value(depth + 1));
          space();
          if (given[at] === "]") { at++; return found; }
          expect(",");
        }
      }
      for (const [word, meant] of [["true", true], ["false", false], ["null", null]]) {
        if (given.startsWith(word, at)) { at += word.length; return meant; }
      }
      const number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
      number.lastIndex = at;
      const found = number.exec(given) ?? fail("it is not JSON");
      at += found[0].length;
      return new Digits(found[0]);
    }
    const found = value(0);
    space();
    if (at !== given.length) fail("something follows the JSON");
    return found;
  }
  // As Python writes it with sorted keys, without spaces, and with every character as it is.
  function canonical(value) {
    if (value instanceof Digits) return value.raw;
    if (value instanceof Map) {
      const keys = [...value.keys()].sort((one, other) => compare(utf8(one), utf8(other)));
      return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value.get(key))}`).join(",")}}`;
    }
    if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
    return JSON.stringify(value);
  }

  // Of an X.509 certificate: its public key, its time, and the names of systems in it.
  function certificate(der) {
    let bytes = der;
    function element(from) {
      const first = bytes[from + 1];
      let size = first, begin = from + 2;
      if (first & 128) {
        const count = first & 127;
        if (count < 1 || count > 3) fail("a certificate cannot be read");
        size = 0;
        for (let n = 0; n < count; n++) size = size * 256 + bytes[begin++];
      }
      if (!(begin + size <= bytes.length)) fail("a certificate cannot be read");
      return { tag: bytes[from], from, begin, end: begin + size };
    }
    const inside = (of) => {
      const found = [];
      for (let at = of.begin; at < of.end;) { const one = element(at); found.push(one); at = one.end; }
      return found;
    };
    const time = (of) => {
      const said = text(bytes.slice(of.begin, of.end));
      const full = of.tag === 0x17 ? (Number(said.slice(0, 2)) < 50 ? "20" : "19") + said : said;
      const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(full) ?? fail("a certificate's time cannot be read");
      return Date.UTC(match[1], match[2] - 1, match[3], match[4], match[5], match[6]) / 1000;
    };
    const parts = inside(inside(element(0))[0]).filter((one) => one.tag !== 0xa0);
    const [from, to] = inside(parts[3]).map(time);
    const spki = bytes.slice(parts[5].from, parts[5].end);
    const extensions = parts.find((one) => one.tag === 0xa3);
    const systems = [];
    for (const extension of extensions ? inside(inside(extensions)[0]) : []) {
      const members = inside(extension);
      const [oid, value] = [members[0], members[members.length - 1]];
      if (hex(bytes.slice(oid.begin, oid.end)) !== "551d11") continue;
      for (const name of inside(element(value.begin))) {
        if (name.tag === 0x86) systems.push(text(bytes.slice(name.begin, name.end)));
      }
    }
    return { spki, from, to, systems };
  }
  const p256 = (spki) => crypto.subtle.importKey("spki", spki, { name: "ECDSA", namedCurve: "P-256" }, false, ["verify"]);
  const es256 = (key, signature, signed) => crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, key, signature, signed);

  return { Unreadable, Digits, fail, utf8, text, hex, join, same, sha256, base64, toBase64, base45, inflate, cbor, json, canonical, certificate, p256, es256 };
})();
