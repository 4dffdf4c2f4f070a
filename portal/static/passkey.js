// Makes a passkey, or signs in by one: what the authenticator answers goes into the form. Where the
// browser knows no passkeys, the form stays hidden.
"use strict";
const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
const text = (data) => btoa(String.fromCharCode(...new Uint8Array(data))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
async function made(options) {
  options.challenge = bytes(options.challenge);
  options.user.id = bytes(options.user.id);
  const found = await navigator.credentials.create({ publicKey: options });
  const { clientDataJSON, attestationObject } = found.response;
  return answer(found, { clientDataJSON: text(clientDataJSON), attestationObject: text(attestationObject) });
}
async function signed(options) {
  options.challenge = bytes(options.challenge);
  const found = await navigator.credentials.get({ publicKey: options });
  const { clientDataJSON, authenticatorData, signature } = found.response;
  return answer(found, { clientDataJSON: text(clientDataJSON), authenticatorData: text(authenticatorData), signature: text(signature) });
}
const answer = (found, response) => JSON.stringify({ id: found.id, rawId: text(found.rawId), type: found.type, response });
for (const form of document.querySelectorAll("form[data-passkey]")) {
  if (!window.PublicKeyCredential) continue;
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    if (form.elements.passkey.value) return;
    event.preventDefault();
    const failed = form.querySelector("[data-failed]");
    failed.hidden = true;
    try {
      if (form.dataset.passkey === "create") {
        form.elements.passkey.value = await made(JSON.parse(form.elements.options.value));
        form.elements.options.disabled = true;
      } else {
        const told = await fetch(form.dataset.options, { method: "POST" });
        form.elements.passkey.value = await signed(await told.json());
      }
      form.submit();
    } catch {
      failed.hidden = false;
    }
  });
}
