// Receipts, proofs of the log and lists of accesses, judged by the log's key alone: the checks of
// the node's offline verifier, without the node.
"use strict";
const Records = (() => {
  const { Unreadable, Digits, fail, utf8, text, hex, join, same, sha256, base64, json, canonical, certificate, p256, es256 } = Reading;
  const PROOF_HEADER = "c2sp.org/tlog-proof@v1";
  const is = (value, kind) => (typeof value === kind ? value : fail("a member is of another kind"));
  const whole = (value) => {
    const raw = value instanceof Digits ? value.raw : value;
    if (typeof raw !== "string" || !/^(0|[1-9][0-9]{0,15})$/.test(raw)) fail("a number is not decimal");
    return Number(raw);
  };
  const leafHash = (leaf) => sha256(join([0], leaf));

  async function verifierKey(line) {
    const match = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(line) ?? fail("the log's key cannot be read");
    const material = base64(match[3]);
    if (material[0] !== 1 || material.length !== 33) fail("the log's key is of another kind");
    const id = (await sha256(join(utf8(match[1]), [10], material))).slice(0, 4);
    if (hex(id) !== match[2]) fail("the id of the log's key is another one's");
    return { name: match[1], id, key: material.slice(1) };
  }
  async function signed(verifier, signature, message) {
    const good = signature.length === 64 &&
      await TongbanProving.ed25519(signature, message, verifier.key, { zip215: false }).catch(() => false);
    if (!good) fail(`the signature is not by the key of ${verifier.name}`);
  }

  // RFC 9162 section 2.1.3.2.
  async function rootOf(leaf, index, size, path) {
    if (!(index < size)) fail("the leaf's index is not below the tree's size");
    let node = index, last = size - 1, root = leaf;
    const up = () => { node = Math.floor(node / 2); last = Math.floor(last / 2); };
    for (const sibling of path) {
      if (sibling.length !== 32) fail("a hash is not of 32 bytes");
      if (last === 0) fail("the proof is too long for the tree's size");
      if (node % 2 === 1 || node === last) {
        root = await sha256(join([1], sibling, root));
        while (node && node % 2 === 0) up();
      } else root = await sha256(join([1], root, sibling));
      up();
    }
    if (last) fail("the proof is too short for the tree's size");
    return root;
  }

  async function checkpoint(note, verifier) {
    const cut = note.lastIndexOf("\n\n");
    if (cut < 0 || !note.endsWith("\n") || /[\x00-\x09\x0b-\x1f]/.test(note)) fail("the note has no signatures");
    const body = note.slice(0, cut + 1);
    let found = false;
    for (const line of note.slice(cut + 2, -1).split("\n")) {
      const [dash, name, value, ...more] = line.split(" ");
      if (dash !== "\u2014" || !name || more.length) fail("a signature line is malformed");
      const bytes = base64(value);
      if (name !== verifier.name || !same(bytes.slice(0, 4), verifier.id)) continue;
      await signed(verifier, bytes.slice(4), utf8(body));
      found = true;
    }
    const [origin, size, root] = body.split("\n");
    if (!found || origin !== verifier.name) fail(`the note is not signed by the key of ${verifier.name}`);
    return { size: whole(size), root: base64(root) };
  }
  function proofOf(said) {
    const cut = said.indexOf("\n\n"), lines = said.slice(0, cut).split("\n");
    if (cut < 0 || lines.shift() !== PROOF_HEADER) fail("the proof is malformed");
    if (lines[0]?.startsWith("extra ")) lines.shift();
    if (!lines[0]?.startsWith("index ")) fail("the proof has no index");
    return { index: whole(lines.shift().slice(6)), path: lines.map((one) => base64(one)), note: said.slice(cut + 2) };
  }

  // Gathers checks, [name, outcome, words]: a step that fails goes on without its result.
  class Checks {
    constructor() { this.found = []; }
    async run(name, step) {
      try {
        const result = await step();
        this.found.push([name, "green", ""]);
        return result;
      } catch (error) {
        if (!(error instanceof Unreadable)) throw error;
        this.found.push([name, "red", error.message]);
        return null;
      }
    }
    open(name, words) { this.found.push([name, "amber", words]); }
  }
  const had = (value) => value ?? fail("an earlier check that this one needs has failed");

  function leafOf(bytes) {
    const said = text(bytes), found = json(said);
    if (!(found instanceof Map) || canonical(found) !== said) fail("the leaf is not a canonical JSON object");
    return found;
  }
  const committed = (leaf) => (leaf?.get("commitments") instanceof Map ? leaf.get("commitments") : new Map());
  async function opening(leaf, salt, label, value) {
    const wanted = committed(had(leaf)).get(label) ?? fail("the leaf has no commitment of this label");
    const plain = utf8(typeof value === "string" ? value : canonical(value));
    if (hex(await sha256(join(salt, utf8(label), [0], plain))) !== wanted) fail("the leaf commits to another value");
  }
  async function included(checks, of, proof, leaf, verifier, index) {
    const read = await checks.run(`proof${of}`, () => {
      const found = proofOf(proof);
      if (index !== undefined && found.index !== index) fail(`the proof is of the leaf at ${found.index}`);
      return found;
    });
    const at = await checks.run(`checkpoint${of}`, () => checkpoint(had(read).note, had(verifier)));
    await checks.run(`inclusion${of}`, async () => {
      const root = await rootOf(await leafHash(leaf), had(read).index, had(at).size, read.path);
      if (!same(root, at.root)) fail("the path leads to another root");
    });
  }
  async function requestSigned(leaf, saved) {
    const said = had(leaf).get("signed");
    if (!(said instanceof Map) || !saved.certificate) fail("the leaf names no signature of its request, or the file has no certificate");
    const pem = saved.certificate.replace(/-----[A-Z ]+-----|\s/g, ""), der = base64(pem), read = certificate(der);
    if (hex(await sha256(der)) !== said.get("certificate")) fail("the leaf names another certificate");
    if (!read.systems.includes(`spiffe://tongban/${leaf.get("actor")}`)) fail("the certificate is not the asking system's");
    const message = `tongban-request/v1\n${said.get("method")}\n${said.get("time")}\n${said.get("digest")}\n`;
    const good = await es256(await p256(read.spki), rawOf(base64(said.get("signature"))), utf8(message)).catch(() => false);
    if (!good) fail("the signature is not the certificate's over this request");
    if (saved.values.has("request")) {
      const digest = await sha256(join(saved.nonce, utf8("request"), [0], utf8(canonical(saved.values.get("request")))));
      if (hex(digest) !== said.get("digest")) fail("another request was signed");
    }
  }
  // An ECDSA signature in DER, as two numbers of 32 octets.
  function rawOf(der) {
    const numbers = [];
    if (der[0] !== 0x30 || der[1] !== der.length - 2) fail("a signature is malformed");
    for (let at = 2; at < der.length;) {
      const size = der[at + 1], number = der.slice(at + 2, at + 2 + size);
      const bare = number.length > 32 ? number.slice(number.length - 32) : number;
      numbers.push(join(new Uint8Array(32 - bare.length), bare));
      at += 2 + size;
    }
    return numbers.length === 2 ? join(...numbers) : fail("a signature is malformed");
  }

  async function receipt(body, checks, verifier) {
    const of = (name) => is(body.get(name), "string");
    const known = ["format", "leaf", "salt", "shard", "batch", "position", "batch_size", "path", "promise_time", "signature", "values", "signed", "proof"];
    if ([...body.keys()].some((key) => !known.includes(key))) fail("the file has members that no receipt has");
    const leaf = base64(of("leaf")), salt = base64(of("salt")), path = body.get("path").map((one) => base64(one));
    const [batch, position, size] = ["batch", "position", "batch_size"].map((name) => whole(body.get(name)));
    const values = body.get("values") ?? new Map(), signs = body.get("signed");
    const saved = { values, certificate: signs?.get("certificate") ?? "", nonce: signs ? base64(signs.get("nonce")) : new Uint8Array() };
    const signature = base64(of("signature"));
    const said = await checks.run("leaf", () => leafOf(leaf));
    const root = await checks.run("path", async () => rootOf(await leafHash(leaf), position, size, path));
    await checks.run("promise", async () => {
      const encoded = Reading.toBase64(had(root));
      const lines = ["tongban-promise/v1", had(verifier).name, of("shard"), batch, size, encoded, of("promise_time")];
      if (/\s/.test(of("shard")) || /\s/.test(of("promise_time"))) fail("a shard or a time has spaces");
      await signed(verifier, signature, utf8(lines.map((line) => `${line}\n`).join("")));
    });
    for (const [label, value] of values) await checks.run(`opening:${label}`, () => opening(said, salt, label, value));
    for (const label of ["request", "answer", "changes"]) {
      if (committed(said).has(label) && !values.has(label)) checks.open(`opening:${label}`, "");
    }
    if (saved.certificate || said?.has("signed")) {
      await checks.run("request_signature", () => requestSigned(said, saved));
      checks.open("certificate", "");
    }
    if (body.has("proof")) await included(checks, "", of("proof"), leaf, verifier);
    else checks.open("inclusion", "");
    return [said];
  }
  async function many(body, checks, verifier, key) {
    const found = [];
    for (const one of body.get(key)) {
      const index = whole(one.get("index")), of = `:${index}`, leaf = base64(is(one.get("leaf"), "string"));
      const said = await checks.run(`leaf${of}`, () => leafOf(leaf));
      if (key === "leaves") {
        await checks.run(`document${of}`, () => {
          const facts = ["sha256_after", "ofd_sha256", "pdf_sha256", "enrolled_certificate", "revoked_certificate"];
          if (!facts.some((name) => had(said).get(name) === body.get("document"))) fail("the record names another document, or none");
        });
      } else await about(checks, of, one, said, is(body.get("key"), "string"));
      await included(checks, of, is(one.get("proof"), "string"), leaf, verifier, index);
      found.push(said);
    }
    if (!found.length) fail("the file holds no record");
    return found;
  }
  async function about(checks, of, one, said, person) {
    const salt = base64(is(one.get("salt"), "string"));
    const labels = committed(said), label = !labels.has("key") && labels.has("holder_code") ? "holder_code" : "key";
    if (salt.length || labels.has("key")) await checks.run(`opening${of}`, () => opening(said, salt, label, person));
    const entry = one.get("entry");
    if (entry) {
      await checks.run(`entry${of}`, async () => {
        const tree = had(said).get("entries") ?? fail("the leaf has no entries");
        const leaf = await leafHash(join(base64(entry.get("salt")), utf8("key"), [0], utf8(person)));
        const root = await rootOf(leaf, whole(entry.get("position")), whole(tree.get("size")), entry.get("path").map((path) => base64(path)));
        if (hex(root) !== tree.get("root")) fail("the path leads to another root");
      });
    } else if (said?.has("entries")) checks.open(`entry${of}`, "");
  }

  // The checks of a file, and its leaves. Raises Unreadable for what is none of the log's files.
  async function judge(given, line) {
    const body = json(given);
    const format = body instanceof Map ? body.get("format") : "";
    const judges = {
      "tongban-receipt/v1": receipt,
      "tongban-log-proof/v1": (...all) => many(...all, "leaves"),
      "tongban-accesses/v1": (...all) => many(...all, "accesses"),
    };
    if (!Object.hasOwn(judges, String(format))) fail("it is none of the log's files");
    const checks = new Checks();
    const verifier = await checks.run("key", () => verifierKey(line));
    let leaves;
    try { leaves = await judges[format](body, checks, verifier); } catch (error) {
      if (error instanceof TypeError) fail("it is not of this format");
      throw error;
    }
    const lights = checks.found.map(([, light]) => light);
    const light = ["red", "amber"].find((one) => lights.includes(one)) ?? "green";
    return { format, light, checks: checks.found, leaves };
  }
  return { judge };
})();
