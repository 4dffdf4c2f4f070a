// Checks a receipt without the node: docs/integrator.md, "Receipts".

import { createHash, createPublicKey, verify } from "node:crypto";

const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();

// Canonical JSON: keys in order, no spaces.
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const entries = Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`);
  return `{${entries.join(",")}}`;
}

// Throws unless the receipt proves that this question got this answer.
export function checkReceipt(receipt, verifierKey, { key, request, answer }) {
  // 1. The leaf commits to the question and to the answer.
  const { commitments } = JSON.parse(receipt.leaf);
  const values = { key, request: canonical(request), answer: canonical(answer) };
  for (const [label, value] of Object.entries(values)) {
    const commitment = sha256(receipt.salt, label, "\0", value).toString("hex");
    if (commitment !== commitments[label]) throw new Error(`the leaf commits to another ${label}`);
  }
  // 2. The path leads from the leaf to the root of the batch.
  const root = climb(sha256("\0", receipt.leaf), receipt.position, receipt.batch_size, receipt.path);
  // 3. The log's key signed the promise to log that batch.
  const [, origin, , material] = verifierKey.trim().match(/^([^+\s]+)\+([0-9a-f]{8})\+(\S+)$/);
  const promise = [
    "tongban-promise/v1",
    origin,
    receipt.shard,
    receipt.batch,
    receipt.batch_size,
    root.toString("base64"),
    instant(receipt.promise_time),
    "",
  ].join("\n");
  const publicKey = createPublicKey({
    format: "jwk",
    key: { kty: "OKP", crv: "Ed25519", x: Buffer.from(material, "base64").subarray(1).toString("base64url") },
  });
  if (!verify(null, Buffer.from(promise), publicKey, receipt.signature)) {
    throw new Error("the promise is not signed by the log's key");
  }
}

// RFC 6962: the root above a leaf hash.
function climb(leaf, position, size, path) {
  let [hash, index, last] = [leaf, position, size - 1];
  for (const sibling of path) {
    if (last === 0) throw new Error("the path is too long");
    if (index % 2 === 1 || index === last) {
      hash = sha256("\u0001", sibling, hash);
      while (index % 2 === 0 && index !== 0) [index, last] = [index >> 1, last >> 1];
    } else {
      hash = sha256("\u0001", hash, sibling);
    }
    [index, last] = [index >> 1, last >> 1];
  }
  if (last !== 0) throw new Error("the path is too short");
  return hash;
}

// RFC 3339 in UTC with microseconds.
function instant({ seconds, nanos }) {
  const whole = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  return `${whole}.${String(Math.floor(nanos / 1000)).padStart(6, "0")}Z`;
}
