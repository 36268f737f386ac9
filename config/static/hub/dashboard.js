/** The managers' dashboard: shows figures, kept fresh by a socket, by asking while there is none. */
import { show } from "./figures.js";

const ASK_EVERY = 4000; // while no socket tells
const QUIET = 7000; // without figures for so long, the socket does not count as live
const LONGEST_PAUSE = 15000;

const { figures: figuresUrl, ticket: ticketUrl, token } = document.body.dataset;
const state = document.getElementById("live");
let told = 0; // when the socket last brought figures
let failures = 0;

function receive(figures) {
  show(figures);
  state.dataset.state = Date.now() - told < QUIET ? "live" : "asking";
}

/** Opens the socket with a ticket of its own; again and again, at growing distance. */
async function follow() {
  try {
    const answer = await fetch(ticketUrl, { method: "POST", headers: { "X-CSRFToken": token }, redirect: "error" });
    if (answer.status === 403) return location.reload();
    if (!answer.ok) throw new Error(`ticket ${answer.status}`);
    await listen((await answer.json()).url);
  } catch {
    failures += 1; // no ticket: asking goes on meanwhile
  }
  const pause = Math.min(1000 * 2 ** Math.min(failures, 5), LONGEST_PAUSE);
  setTimeout(follow, pause * (0.75 + Math.random() / 2));
}

/** Resolves when the socket has closed. */
function listen(url) {
  return new Promise((resolve) => {
    const socket = new WebSocket(url);
    socket.addEventListener("message", ({ data }) => {
      const frame = JSON.parse(data);
      if (frame.kind === "ping") socket.send('{"kind":"pong"}');
      if (frame.kind !== "figures") return;
      failures = 0;
      told = Date.now();
      receive(frame.figures);
    });
    socket.addEventListener("close", ({ code }) => {
      failures += 1;
      if (code === 4403) location.reload(); // the session has ended: the sign-in page
      resolve();
    });
  });
}

async function ask() {
  if (Date.now() - told < QUIET || document.hidden) return;
  try {
    const answer = await fetch(figuresUrl, { redirect: "error" });
    if (!answer.ok) throw new Error(`figures ${answer.status}`);
    receive(await answer.json());
  } catch {
    state.dataset.state = "away";
  }
}

show(JSON.parse(document.getElementById("figures").textContent));
follow();
setInterval(ask, ASK_EVERY);
