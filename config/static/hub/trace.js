// Following a message: ids are copied with one key; while it is in flight the page looks again by itself.
(() => {
  const EVERY = 3000;
  const way = document.getElementById("way");

  document.addEventListener("click", async ({ target }) => {
    const button = target.closest?.(".hub-copy");
    if (!button) return;
    const source = button.dataset.copyOf ? document.getElementById(button.dataset.copyOf) : button.previousElementSibling;
    try { await navigator.clipboard.writeText(source.textContent); } catch { return select(source); }
    button.dataset.done = "1";
    setTimeout(() => delete button.dataset.done, 1500);
  });

  function select(element) { if (element) getSelection().selectAllChildren(element); }

  // Nothing is exchanged under somebody's hands: neither what is focused, nor what is selected.
  function isInUse() { return document.hidden || way.contains(document.activeElement) || !getSelection().isCollapsed; }

  async function look() {
    if (!isInUse()) {
      try {
        const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
        const fresh = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("way");
        if (fresh && !isInUse()) {
          const open = [...way.querySelectorAll("details[open]")].map(({ id }) => id);
          way.replaceChildren(...fresh.childNodes);
          way.dataset.inFlight = fresh.dataset.inFlight;
          for (const id of open) document.getElementById(id)?.setAttribute("open", "");
        }
      } catch { /* the next look may find the hub again */ }
    }
    again();
  }

  function again() { if (way?.dataset.inFlight === "1") setTimeout(look, EVERY); }
  again();
})();
