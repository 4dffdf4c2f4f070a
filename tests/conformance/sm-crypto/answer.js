// Answers questions about SM2 and SM3, one JSON object a line, in their order. Binary is in hex.
import { createInterface } from "node:readline";
import smCrypto from "sm-crypto";

const { sm2, sm3 } = smCrypto;
const bytes = (hex) => [...Buffer.from(hex, "hex")];
// Z(id, key) is hashed in with the library's default id, and a signature is DER.
const options = { hash: true, der: true };

const answers = {
  digest: ({ message }) => sm3(bytes(message)),
  verify: ({ message, signature, key }) =>
    sm2.doVerifySignature(bytes(message), signature, key, options),
  create: () => sm2.generateKeyPairHex(),
  sign: ({ message, secret, key }) =>
    sm2.doSignature(bytes(message), secret, { ...options, publicKey: key }),
};

for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line);
  console.log(JSON.stringify(answers[question.ask](question)));
}
