// Shows how far work is, while its page is looked at; without it a link does the same.
"use strict";
(function look() {
  setTimeout(async () => {
    const held = document.getElementById("work");
    if (!held) return;
    try {
      const answer = await fetch(location.pathname, { credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("work");
      if (answer.ok && fresh) {
        held.replaceWith(fresh);
        if (!fresh.querySelector("progress") || !page.querySelector("script[src='/static/progress.js']")) return;
      }
    } catch { /* the next second tries again */ }
    look();
  }, 1500);
})();
