// Where the server needs its token: asks for it once; a cookie that no script can read then carries what proves it.

import { ask } from "/page/asking.js";

let waiting = null;

/** Asks for the token; resolves once the server takes it. */
export function enter(part) {
  waiting ??= new Promise((resolve) => {
    const dialog = part("door");
    dialog.oncancel = (event) => event.preventDefault();
    part("door-form").onsubmit = async (event) => {
      event.preventDefault();
      const field = part("door-token");
      try {
        const headers = { "Content-Type": "application/json" };
        await ask("/session", { method: "POST", headers, body: JSON.stringify({ token: field.value.trim() }) });
      } catch (problem) {
        part("door-problem").textContent = problem.message;
        field.select();
        return;
      }
      field.value = "";
      dialog.close();
      waiting = null;
      resolve();
    };
    dialog.showModal();
  });
  return waiting;
}
