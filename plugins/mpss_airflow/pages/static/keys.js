// Keys of a page: one letter does what one button does; never while somebody writes.
export function onKeys(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (document.querySelector("dialog[open]")) return;
    const at = event.target;
    if (at.matches?.("input:not([type=range]):not([type=checkbox]), textarea, select")) return;
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (action && action(event) !== false) event.preventDefault();
  });
}

export const base = document.body.dataset.base;
export const airflow = document.body.dataset.airflow;
