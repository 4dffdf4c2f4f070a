// Asks two minutes before a session ends, by one key, whether somebody is still there. The server
// ends it, whatever stands here.
"use strict";
const dialog = document.querySelector("dialog.stay");
const WARN = 120;
if (dialog) {
  const seconds = () => Date.now() / 1000;
  const ends = seconds() + Number(dialog.dataset.left);
  let idle = seconds() + Number(dialog.dataset.idle);
  let asked = "";
  const [stay, close] = dialog.querySelectorAll("form");
  const show = (what) => {
    if (asked === what) return;
    asked = what;
    for (const name of ["idle", "end", "over"]) {
      dialog.querySelector(`[data-${name}-text]`).hidden = name !== what;
    }
    stay.hidden = what !== "idle";
    close.hidden = what === "idle";
    if (dialog.open) dialog.close();
    dialog.showModal();
  };
  const look = () => {
    const now = seconds();
    if (now > Math.min(idle, ends)) show("over");
    else if (now > ends - WARN) show("end");
    else if (now > idle - WARN) show("idle");
  };
  stay.addEventListener("submit", async (event) => {
    event.preventDefault();
    let answer = null;
    try {
      answer = await fetch(stay.action, { method: "POST", body: new URLSearchParams(new FormData(stay)), redirect: "manual" });
    } catch { /* told below */ }
    if (!answer || !answer.ok) return show("over");
    idle = seconds() + Number(dialog.dataset.idle);
    asked = "";
    dialog.close();
  });
  dialog.addEventListener("cancel", (event) => { if (asked === "idle") { event.preventDefault(); stay.requestSubmit(); } });
  setInterval(look, 2000);
}
