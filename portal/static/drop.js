// Names the chosen file, takes one that is dropped, and says that work is under way. Without this
// script the forms work all the same.
"use strict";
for (const form of document.querySelectorAll("form[data-drop]")) {
  const input = form.querySelector("input[type=file]");
  const chosen = form.querySelector("[data-chosen]");
  const purpose = form.querySelector("[data-purpose]");
  const name = () => {
    const large = input.files.length && form.dataset.most && input.files[0].size > form.dataset.most;
    // Said before it is sent in vain.
    input.setCustomValidity(large ? form.dataset.large : "");
    chosen.textContent = large ? form.dataset.large : input.files.length ? input.files[0].name : "";
    // Of a receipt nobody's look is recorded.
    if (purpose && input.files.length) purpose.required = !/\.(json|esl|zip)$/i.test(input.files[0].name);
  };
  input.addEventListener("change", name);
  form.addEventListener("dragover", (event) => { event.preventDefault(); form.classList.add("over"); });
  form.addEventListener("dragleave", () => form.classList.remove("over"));
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("over");
    if (event.dataTransfer.files.length) { input.files = event.dataTransfer.files; name(); }
  });
}
for (const form of document.querySelectorAll("form[data-working]")) {
  const button = form.querySelector("button[type=submit]");
  const words = button.textContent;
  form.addEventListener("submit", () => {
    button.setAttribute("aria-busy", "true");
    button.textContent = form.dataset.working;
  });
  // A page that comes back from the browser's memory is not at work any more.
  window.addEventListener("pageshow", () => {
    button.removeAttribute("aria-busy");
    button.textContent = words;
  });
}
