import { onKeys } from "./keys.js";

const links = [...document.querySelectorAll("#list tbody a")];
const move = (step) => {
  const at = links.indexOf(document.activeElement);
  links[Math.min(Math.max(at < 0 ? (step > 0 ? 0 : links.length - 1) : at + step, 0), links.length - 1)]?.focus();
};
onKeys({
  j: () => move(1),
  k: () => move(-1),
  ArrowDown: () => move(1),
  ArrowUp: () => move(-1),
  n: () => document.getElementById("first")?.click(),
});
// What will be looked at first is fetched while the list is read.
for (const link of links.slice(0, 2)) {
  const at = new URL(link.href).pathname;
  for (const kind of ["montage", "polar"]) new Image().src = `${at}/${kind}.png`;
}
