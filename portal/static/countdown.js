// Says how long a code still holds. Without this script its end stands there all the same.
"use strict";
for (const end of document.querySelectorAll("time[data-until]")) {
  const left = end.parentElement.querySelector("[data-left]");
  const tick = () => {
    const seconds = Math.max(0, Math.round(Number(end.dataset.until) - Date.now() / 1000));
    const minutes = String(Math.floor(seconds / 60));
    left.textContent = seconds ? ` (${minutes}:${String(seconds % 60).padStart(2, "0")})` : ` (${end.dataset.over})`;
    if (seconds) setTimeout(tick, 1000);
  };
  tick();
}
