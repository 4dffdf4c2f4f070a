// Connects a system to a Tongban node, and reads its refusals.

import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import { checkServerIdentity } from "node:tls";
import { fileURLToPath } from "node:url";

import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const PROTO = fileURLToPath(new URL("../../proto", import.meta.url));
const HERE = fileURLToPath(new URL(".", import.meta.url));
const LOADING = {
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
  includeDirs: [PROTO, HERE],
};

// An identity folder holds ca.pem, cert.pem and key.pem.
export function connect(address, identity) {
  const read = (name) => readFileSync(join(identity, name));
  const host = address.replace(/:\d+$/, "");
  // The certificate is checked for the host that was asked for. TLS cannot ask for an address by name
  // (RFC 6066, 3): there it asks for a name that every node has.
  const credentials = grpc.credentials.createSsl(read("ca.pem"), read("key.pem"), read("cert.pem"), {
    checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate),
  });
  const options = isIP(host) ? { "grpc.ssl_target_name_override": "localhost" } : {};
  const definition = loadSync(["exchange/v1/query.proto", "exchange/v1/audit.proto"], LOADING);
  const { QueryService, AuditService } = grpc.loadPackageDefinition(definition).tongban.exchange.v1;
  return {
    queries: new QueryService(address, credentials, options),
    audit: new AuditService(address, credentials, options),
  };
}

// A call as a promise, with a deadline.
export function call(stub, method, request, seconds = 10) {
  return new Promise((resolve, reject) => {
    const deadline = new Date(Date.now() + seconds * 1000);
    stub[method](request, { deadline }, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

// A refusal carries a google.rpc.Status with typed details in the trailer grpc-status-details-bin.
export function refusal(error) {
  const found = { code: grpc.status[error.code], message: error.details };
  const [raw] = error.metadata?.get("grpc-status-details-bin") ?? [];
  if (!raw) return found; // below the RPC: no node, a refused handshake, a deadline
  const types = loadSync("refusal.proto", LOADING);
  const decode = (name, bytes) => types[`google.rpc.${name}`].deserialize(bytes);
  for (const { type_url, value } of decode("Status", raw).details) {
    const name = type_url.split(".").pop();
    if (name === "ErrorInfo") Object.assign(found, decode(name, value));
    if (name === "LocalizedMessage") found.message_zh = decode(name, value).message;
  }
  return found;
}
