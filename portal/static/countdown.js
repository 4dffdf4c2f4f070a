// Says how long a code still holds, and says aloud when it is about to end and when it has ended.
// Without this script its end stands there all the same.
"use strict";
for (const end of document.querySelectorAll("time[data-until]")) {
  const left = end.parentElement.querySelector("[data-left]");
  const told = document.querySelector("[data-status]");
  const tell = (words) => {
    if (!told || !words || told.textContent === words) return;
    told.hidden = false;
    told.textContent = words;
  };
  const tick = () => {
    const seconds = Math.max(0, Math.round(Number(end.dataset.until) - Date.now() / 1000));
    const hours = Math.floor(seconds / 3600);
    const minutes = Math.floor(seconds / 60) % 60;
    const shown = [hours, hours ? String(minutes).padStart(2, "0") : minutes, String(seconds % 60).padStart(2, "0")];
    left.textContent = seconds ? ` (${(hours ? shown : shown.slice(1)).join(":")})` : ` (${end.dataset.over})`;
    if (!seconds) { end.parentElement.classList.add("over"); tell(end.dataset.ended); return; }
    if (seconds <= 60) tell(end.dataset.soon);
    setTimeout(tick, 1000);
  };
  tick();
}
