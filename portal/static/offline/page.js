// The offline page: takes a code or a file, and shows the verdict. It asks no server for anything.
"use strict";
(async () => {
  const { trust: kept, words, names, departments } = JSON.parse(document.getElementById("kept").textContent);
  const told = (name) => words[name] ?? name;
  const filled = (text, moments) => text.replace(/\{(\w+)\}/g, (_, name) => time(moments[name]));
  const make = (tag, classes, ...inside) => {
    const made = document.createElement(tag);
    if (classes) made.className = classes;
    made.append(...inside.filter((one) => one !== null && one !== ""));
    // What the holder and the departments say is Chinese in every language (WCAG 2.2, 3.1.2).
    if (document.documentElement.lang === "en" && !made.children.length && /[\u3400-\u9fff]/.test(made.textContent)) made.lang = "zh-CN";
    return made;
  };
  // As on the node's pages: in China's time, to the second.
  const time = (seconds) => new Date(seconds * 1000).toLocaleString("sv-SE", { timeZone: "Asia/Shanghai" });
  const answer = document.getElementById("answer");
  const now = () => Date.now() / 1000;

  let held;
  try { held = await Codes.trust(kept); } catch (error) { held = { keys: new Map(), lists: new Map(), made: 0, broken: String(error) }; }

  function age() {
    const place = document.getElementById("age");
    const until = Math.min(...[...held.lists.values()].map((list) => list.fresh), Infinity);
    const made = Math.min(...[...held.lists.values()].map((list) => list.made), Infinity);
    const stale = !(now() < until) || until === Infinity;
    place.className = stale ? "notice bad" : "notice";
    place.replaceChildren(make("p", "", until === Infinity ? told("no_list") : filled(told(stale ? "stale" : "fresh"), { made, until })));
  }
  age();
  setInterval(age, 60_000);

  function row(name, value) { return [make("dt", "", name), make("dd", "", value)]; }
  function card(title, rows) {
    return rows.length ? make("section", "card", make("h2", "", title), make("dl", "facts", ...rows.flat())) : null;
  }
  function checksOf(found, open) {
    const items = found.map(([title, light, detail]) => make("li", `check ${light}`,
      Object.assign(make("span", "mark", { green: "✓", amber: "?", red: "✗" }[light]), { ariaHidden: "true" }),
      make("div", "", make("p", "", make("strong", "", title), " ", make("span", "state", told(`light_${light}`))),
        detail ? make("p", "quiet", detail) : null)));
    const details = make("details", "", make("summary", "", `${told("checks")} (${found.length})`), make("ol", "checks", ...items));
    details.open = open;
    return make("section", "card", details);
  }
  function show({ light, word, summary, advice, kind, reason, cards, checks }) {
    const icon = make("span", "verdict-icon", document.getElementById(`icon-${light}`).content.cloneNode(true));
    const heading = make("h2", "verdict-word", word);
    heading.tabIndex = -1;
    const line = make("p", "quiet wrap", kind, reason ? " · " : "", reason ? make("code", "", reason) : "", ` · ${told("verified_at")} ${time(now())}`);
    const body = make("div", "", heading, make("p", "lead", summary), advice ? make("p", "", make("strong", "", advice)) : null, line);
    answer.replaceChildren(make("section", `verdict ${light}`, icon, body), ...cards.filter(Boolean), ...(checks.length ? [checksOf(checks, light !== "green")] : []),
      make("p", "acts", Object.assign(make("button", "button second", told("print")), { type: "button", onclick: () => window.print() })));
    document.title = `${word} · ${told("title")}`;
    heading.focus();
    answer.scrollIntoView({ block: "start" });
  }
  function notRead(kind, summary) {
    show({ light: "amber", word: told("word_unread"), summary, kind, cards: [], checks: [] });
  }

  // A code.
  async function code(given, form) {
    const field = (name) => form.elements[name].value.trim();
    const verifier = field("verifier");
    const asked = {
      now: now(), purpose: field("purpose"), card: field("card").toUpperCase(),
      verifier: verifier && !verifier.includes("/") ? `departments/${verifier}` : verifier,
    };
    if (!given.startsWith("TB1:")) return notRead(told("kind_code"), told("online_only"));
    const found = await Codes.judge(given, held, asked);
    const [light, word, said] = words[`reason_${found.reason || "PASSED"}`];
    const moments = { at: found.inForce, list: found.listed };
    const summary = filled(found.reason === "STATUS_LIST_STALE" && !found.inForce ? told("stale_unknown") : said, moments);
    const older = found.reason === "STATUS_LIST_OLDER", listed = found.listed !== undefined;
    const left = (name) => filled(told(`not_compared_${name === "holder" && found.code && !found.code.holder ? "unbound" : name !== "license_status" ? name : !listed ? "no_list" : older ? "since" : name}`), moments);
    const checks = found.checks.map(([name, reason]) => [told(`check_${name}`),
      reason === null ? "amber" : !reason ? "green" : Codes.UNCERTAIN.has(reason) ? "amber" : "red",
      reason === null ? left(name) : !reason ? "" : name === "status_list" ? filled(words[`list_${reason}`] ?? words[`reason_${reason}`][2], moments) : words[`reason_${reason}`][2]]);
    const cards = [];
    if (found.code) {
      const labels = names[found.code.name] ?? {};
      cards.push(card(found.code.name, found.code.fields.map(([key, value]) => row(labels[key] ?? key, value))));
      cards.push(card(told("presented"), [...(found.code.purpose ? [row(told("purpose"), found.code.purpose)] : []), ...(found.code.agency ? [row(told("agency"), time(found.code.agency))] : []), row(told("issuer"), found.code.issuer === kept.issuer ? kept.title : found.code.issuer),
        row(told("made"), time(found.code.at)), row(told("until"), time(found.code.until)),
        ...(found.inForce ? [row(told("in_force"), time(found.inForce))] : []), ...(listed ? [row(told("as_of"), time(found.listed))] : [])]));
    }
    const card_ = found.checks.find(([name]) => name === "holder")?.[1] === null && found.code;
    show({ light, word, summary, kind: told("kind_code"), reason: found.reason, cards, checks, advice: card_ ? told("card") : "" });
  }
  document.getElementById("by-code").addEventListener("submit", (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    code(form.elements.code.value.trim(), form);
  });

  // A receipt.
  function recorded(leaf) {
    const [at, kind, actor] = ["time", "kind", "actor"].map((name) => String(leaf.get(name)));
    const seconds = Date.parse(at) / 1000, department = actor.split("/systems/")[0];
    const who = department === "departments/applicants" ? told("applicant") : departments[department] ?? actor;
    return row(Number.isNaN(seconds) ? at.slice(0, 19) : time(seconds), `${who} · ${words[`kind_of_${kind}`] ?? kind}`);
  }
  async function record(file) {
    if (!file) return;
    if (file.size > 3 * 1024 * 1024) return notRead(file.name, told("not_a_record"));
    let found;
    try { found = await Records.judge(Reading.text(new Uint8Array(await file.arrayBuffer())), kept.log); } catch (error) {
      if (!(error instanceof Reading.Unreadable)) throw error;
      return notRead(file.name, told("not_a_record"));
    }
    const checks = found.checks.map(([name, light, detail]) => {
      const [base, of] = name.split(/:(.*)/);
      const title = told(`record_${base}`).replace(/^record_/, ""), part = of && (words[`part_${of}`] ?? of);
      return [of ? `${title} (${part})` : title, light, light === "amber" ? words[`open_${base}`] ?? told("nothing_to_compare") : detail && `${told("differs")} (${detail})`];
    });
    const rows = found.leaves.filter(Boolean).slice(0, 20).map(recorded);
    const [word, summary] = [told(`record_word_${found.light}`), told(`record_told_${found.light}`)];
    show({ light: found.light, word, summary, kind: file.name, cards: [card(told("records"), rows)], checks });
  }
  const input = document.getElementById("document");
  const dropped = input.closest("form");
  dropped.addEventListener("submit", (event) => { event.preventDefault(); record(input.files[0]); });
  window.addEventListener("beforeprint", () => document.querySelectorAll("#answer details").forEach((one) => { one.open = true; }));
  document.body.dataset.ready = "yes";
})();
