// Offline codes (TB1:) judged by the lists of this file: the same checks, in the same order, as the
// node's own command makes of a verifier's folder.
"use strict";
const Codes = (() => {
  const { fail, join, utf8, text, hex, same, base64, base45, inflate, cbor, certificate, p256, es256, sha256 } = Reading;
  const PREFIX = "TB1:", MOST_CHARACTERS = 4840, MOST_BYTES = 32 * 1024, MOST_LIST = 8 * 1024 * 1024;
  const SKEW = 300, TRUST_FRESH = 30 * 86400, ENDED = 3;
  const HOLDER = { N: 2 ** 15, r: 8, p: 1, dkLen: 16 };
  const CLAIM = { issuer: 1, audience: 3, until: 4, at: 6, id: 7, status: 65535, type: -70001, name: -70002, fields: -70003, purpose: -70004, holder: -70005, bound: -70006, since: -70007, own: -70008, agency: -70009 };
  class Refused extends Error {}
  const refuse = (reason) => { throw new Refused(reason); };

  // The lists that verify: keys by the first eight bytes of their certificates' hashes.
  async function trust(kept) {
    const keys = new Map();
    for (const one of kept.certificates) {
      const der = base64(one), read = certificate(der);
      keys.set(hex((await sha256(der)).slice(0, 8)), { key: await p256(read.spki), from: read.from, to: read.to });
    }
    const lists = new Map();
    for (const token of kept.lists) {
      const list = await statusList(token, keys).catch(() => null);
      if (list) lists.set(list.uri, list);
    }
    return { keys, lists, issuer: kept.issuer, made: kept.made };
  }

  async function statusList(token, keys) {
    const [head, body, signature, ...more] = token.split(".");
    if (more.length || signature === undefined) fail("a status list cannot be read");
    const header = JSON.parse(text(base64(head, "base64url"))), said = JSON.parse(text(base64(body, "base64url")));
    const known = keys.get(header.kid);
    if (header.alg !== "ES256" || header.typ !== "statuslist+jwt" || "crit" in header || !known) fail("a status list is foreign");
    if (!await es256(known.key, base64(signature, "base64url"), utf8(`${head}.${body}`))) fail("a status list is forged");
    if (said.iat < known.from || said.iat >= known.to || ![1, 2, 4, 8].includes(said.status_list.bits) || !(said.ttl >= 0)) fail("a status list is not good");
    return { uri: said.sub, made: said.iat, until: said.exp, fresh: Math.min(said.exp, said.iat + said.ttl), bits: said.status_list.bits,
      packed: await inflate(base64(said.status_list.lst, "base64url"), MOST_LIST) };
  }
  function statusAt(list, index) {
    const each = 8 / list.bits;
    if (!(index >= 0 && index < list.packed.length * each)) return -1;
    return (list.packed[Math.floor(index / each)] >> ((index % each) * list.bits)) & ((1 << list.bits) - 1);
  }

  // What a code says, if a trusted key signed it.
  async function read(given, { keys, issuer }) {
    let protectedPart, payload, signature, header;
    try {
      if (given.length > MOST_CHARACTERS || !given.startsWith(PREFIX)) fail("no such code");
      const tagged = cbor(await inflate(base45(given.slice(PREFIX.length)), MOST_BYTES));
      if (tagged?.tag !== 18 || tagged.value.length !== 4) fail("no COSE_Sign1");
      [protectedPart, , payload, signature] = tagged.value;
      if (![protectedPart, payload, signature].every((one) => one instanceof Uint8Array)) fail("no COSE_Sign1");
      header = cbor(protectedPart);
      if (header.get(1) !== -7 || header.has(2) || header.has(16)) fail("another algorithm");
    } catch { refuse("QR_UNREADABLE"); }
    const kid = header.get(4), known = kid instanceof Uint8Array ? keys.get(hex(kid)) : undefined;
    if (!known) refuse("FOREIGN_KEY");
    const size = (of) => (of.length < 24 ? [0x40 + of.length] : of.length < 256 ? [0x58, of.length] : [0x59, of.length >> 8, of.length & 255]);
    const signed = join([0x84, 0x6a], utf8("Signature1"), size(protectedPart), protectedPart, [0x40], size(payload), payload);
    if (signature.length !== 64 || !await es256(known.key, signature, signed)) refuse("SIGNATURE_WRONG");
    let code;
    try { code = claims(cbor(payload)); } catch { refuse("QR_UNREADABLE"); }
    if (code.at < known.from || code.at >= known.to) refuse("FOREIGN_KEY"); // a key that was over signs nothing
    if (code.issuer !== issuer) refuse("FOREIGN_KEY"); // a key speaks for its own node
    return code;
  }
  function claims(said) {
    const is = (value, kind) => (typeof value === kind ? value : fail("a claim is of another kind"));
    const status = said.get(CLAIM.status).get("status_list"), fields = said.get(CLAIM.fields);
    const holder = said.get(CLAIM.holder);
    if (!(fields instanceof Map) || (holder !== undefined && !(holder instanceof Uint8Array))) fail("a claim is of another kind");
    return {
      issuer: is(said.get(CLAIM.issuer), "string"), audience: is(said.get(CLAIM.audience) ?? "", "string"),
      until: is(said.get(CLAIM.until), "number"), at: is(said.get(CLAIM.at), "number"),
      name: is(said.get(CLAIM.name), "string"), purpose: is(said.get(CLAIM.purpose) ?? "", "string"),
      bound: is(said.get(CLAIM.bound) ?? false, "boolean"), since: is(said.get(CLAIM.since) ?? 0, "number"),
      own: is(said.get(CLAIM.own) ?? false, "boolean"), agency: is(said.get(CLAIM.agency) ?? 0, "number"),
      fields: [...fields].map(([key, value]) => [is(key, "string"), is(value, "string")]),
      uri: is(status.get("uri"), "string"), index: is(status.get("idx"), "number"), holder,
    };
  }

  const purposeKey = (said) => said.normalize("NFKC").toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
  async function ofHolder(code, card) {
    if (!card || !code.holder) return null;
    const made = await TongbanProving.scrypt(utf8(card), code.holder.slice(0, 16), HOLDER);
    return same(made, code.holder.slice(16)) ? "" : "HOLDER_DIFFERS";
  }
  const UNCERTAIN = new Set(["STATUS_LIST_MISSING", "STATUS_LIST_NOT_GOOD", "STATUS_LIST_OLDER", "STATUS_LIST_STALE", "TRUST_LIST_NOT_GOOD", "TRUST_LIST_STALE"]);

  // Checks are [name, reason]: "" passed, null not compared.
  async function judge(given, held, asked) {
    let code;
    try { code = await read(given.trim(), held); } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const name = { QR_UNREADABLE: "readable", FOREIGN_KEY: "key_trusted", SIGNATURE_WRONG: "signature" }[error.message];
      return { reason: error.message, checks: [[name, error.message]], code: null };
    }
    const list = held.lists.get(code.uri), now = asked.now;
    const status = list ? statusAt(list, code.index) : 0;
    // A list from before says nothing of it: its node did, when it signed the code.
    const newer = Boolean(list && (code.own ? code.at > list.made : code.since && code.since >= list.made));
    const checks = [
      ["key_trusted", ""], ["signature", ""],
      ["time", now >= code.until ? "QR_EXPIRED" : code.at > now + SKEW ? "QR_NOT_YET_VALID" : ""],
      ["verifier_named", code.audience && code.audience !== asked.verifier ? "WRONG_AUDIENCE" : ""],
      ["purpose_fits", code.bound && purposeKey(code.purpose) !== purposeKey(asked.purpose) ? "WRONG_PURPOSE" : ""],
      ["holder", await ofHolder(code, asked.card)],
      ["presentation", !code.own || !list || newer || status === -1 ? null : status === ENDED ? "PRESENTATION_ENDED" : ""],
      ["license_status", !list || (code.own && newer) ? null : status === 0 ? (newer ? null : "") : status === -1 ? "STATUS_LIST_NOT_GOOD"
        : status === 2 ? (now < list.until ? "LICENSE_SUSPENDED" : "") : status === ENDED && code.own ? "" : "LICENSE_NOT_IN_FORCE"],
      ["status_list", !list ? "STATUS_LIST_MISSING" : list.made > now + SKEW ? "STATUS_LIST_NOT_GOOD"
        : list.made < code.at ? "STATUS_LIST_OLDER" : now < list.fresh ? "" : "STATUS_LIST_STALE"],
      ["trust_list", held.made > now + SKEW ? "TRUST_LIST_NOT_GOOD" : now < held.made + TRUST_FRESH ? "" : "TRUST_LIST_STALE"],
    ];
    const reasons = checks.map(([, reason]) => reason).filter(Boolean);
    const certain = reasons.filter((one) => !UNCERTAIN.has(one));
    const reason = certain[0] ?? reasons[0] ?? "";
    // Its node told that it was in force by signing the code, and the list tells so after that.
    const inForce = !certain.length && list && !(reason === "STATUS_LIST_STALE" && status === 2);
    return { reason, checks, code: certain.length ? null : code, listed: list?.made, inForce: inForce ? Math.max(code.at, list.made) : 0 };
  }
  return { trust, judge, UNCERTAIN };
})();
