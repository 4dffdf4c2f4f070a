// node query.js GRANT LOG-KEY-FILE [ITEM …]: asks for one record and checks the receipt.
//
// TONGBAN_NODE is host:port (127.0.0.1:7443 if not set), TONGBAN_IDENTITY an identity folder (identity),
// TONGBAN_KEY the record's key.

import { readFileSync } from "node:fs";

import { checkReceipt } from "./receipt.js";
import { call, connect, refusal } from "./tongban.js";

const [grant, logKeyFile, ...items] = process.argv.slice(2);
const { TONGBAN_NODE = "127.0.0.1:7443", TONGBAN_IDENTITY = "identity", TONGBAN_KEY: key } = process.env;
const request = { grant, key, items, purpose: "就业登记", case_number: "2026-1" };

const node = connect(TONGBAN_NODE, TONGBAN_IDENTITY);
try {
  const { found, items: shown, receipt } = await call(node.queries, "Query", request);
  console.log(JSON.stringify({ found, items: shown }));
  checkReceipt(receipt, readFileSync(logKeyFile, "utf8"), {
    key,
    request,
    answer: { found, items: shown },
  });
  console.log("the receipt proves it");
} catch (error) {
  if (error.code === undefined) throw error; // not of gRPC
  const { reason, message } = refusal(error);
  console.error(`${reason}: ${message}`);
  process.exitCode = 3;
}
