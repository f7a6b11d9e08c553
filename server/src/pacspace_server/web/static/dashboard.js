// Copy buttons, and protection against double submission. All pages work without this script.
"use strict";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  const said = button.querySelector("[role=status]");
  try {
    await navigator.clipboard.writeText(source.textContent.trim());
    said.textContent = "copied";
  } catch {
    getSelection().selectAllChildren(source);
    said.textContent = "selected: press Ctrl+C";
  }
  setTimeout(() => { said.textContent = ""; }, 4000);
});

for (const button of document.querySelectorAll("button[data-copy]")) button.hidden = false;

document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) { event.preventDefault(); return; }
  if (event.target.method === "post") event.target.dataset.sent = "1";
});

addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

// On a phone the menu is a strip: scroll the current page into view.
document.querySelector(".menu [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
