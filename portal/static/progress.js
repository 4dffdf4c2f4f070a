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
        if (!page.querySelector("script[src='/static/progress.js']")) {
          // It is done: with it comes all that the page says of it.
          const main = document.querySelector("main");
          const focused = main.contains(document.activeElement);
          main.replaceWith(page.querySelector("main"));
          if (focused) document.querySelector("main").focus();
          return;
        }
        held.replaceWith(fresh);
      }
    } catch { /* the next second tries again */ }
    look();
  }, 1500);
})();
