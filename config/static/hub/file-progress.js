// While a file of staff's runs, its page shows how far it is, and everything once it is over.
"use strict";
(() => {
  const file = document.getElementById("file"), bar = file.querySelector(".hub-bar"), toDo = Number(file.dataset.toDo);

  function show(counts) {
    bar.firstElementChild.style.width = `${toDo ? (100 * counts.done) / toDo : 100}%`;
    bar.setAttribute("aria-valuenow", counts.done);
    for (const cell of file.querySelectorAll("[data-of]")) {
      if (cell.dataset.of in counts) cell.textContent = counts[cell.dataset.of].toLocaleString();
    }
  }

  async function ask() {
    const answer = await fetch(file.dataset.progress, { headers: { Accept: "application/json" } }).catch(() => null);
    const counts = answer && answer.ok ? await answer.json() : null;
    if (counts) show(counts);
    if (counts && counts.state !== "running") location.reload();
    else setTimeout(ask, 1000);
  }

  ask();
})();
