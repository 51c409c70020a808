// What a script makes easier; every step works without it.
"use strict";

// A file that is dropped on the page is chosen.
const file = document.getElementById("file");
const drop = document.getElementById("drop");
if (file && drop) {
  const over = (event, isOver) => {
    if (!event.dataTransfer || ![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    drop.classList.toggle("over", isOver);
  };
  document.addEventListener("dragover", (event) => over(event, true));
  document.addEventListener("dragleave", (event) => over(event, false));
  document.addEventListener("drop", (event) => {
    over(event, false);
    if (event.dataTransfer && event.dataTransfer.files.length > 0) {
      file.files = event.dataTransfer.files;
      file.focus();
    }
  });
  const help = document.getElementById("file-help");
  if (help) help.append(file.multiple ? " Or drop them here." : " Or drop it here.");
}

// The text is copied by a button; where the browser does not allow that, it is selected.
const copy = document.getElementById("copy");
if (copy) {
  copy.hidden = false;
  copy.addEventListener("click", async () => {
    const text = document.getElementById(copy.dataset.copies);
    const told = document.getElementById("copied");
    try {
      await navigator.clipboard.writeText(text.value);
      told.textContent = "Copied.";
    } catch {
      text.focus();
      text.select();
      told.textContent = "The text is selected: copy it with your keyboard.";
    }
  });
}

// What was not taken is where one goes on.
const wrong = document.querySelector("[aria-invalid=true]");
if (wrong) wrong.focus();
