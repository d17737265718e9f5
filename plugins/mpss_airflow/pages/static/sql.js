import { base } from "./keys.js";

const $ = (id) => document.getElementById(id);
const ask = (kind) => fetch(`${base}/sql`, {
  method: "POST",
  headers: { "Content-Type": "application/json", "X-Requested-With": "mpss" },
  body: JSON.stringify({ sql: $("sql").value, kind }),
});

function tell(words, kind = "") {
  $("told").textContent = words;
  $("told").className = kind;
}

async function answered(kind, use) {
  tell("Asking ...");
  try {
    const answer = await ask(kind);
    if (answer.ok) {
      tell("");
      return void use(answer);
    }
    const said = await answer.json();
    tell([said.problem ?? "This is no question", said.way_out].filter(Boolean).join(" | way out: "), "stop");
  } catch (error) {
    tell(`No answer: ${error.message}`, "stop");
  }
}

const show = () => answered("", async (answer) => { $("answer").innerHTML = await answer.text(); });
const save = (kind) => answered(kind, async (answer) => {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(await answer.blob()), download: `answer.${kind}` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
});

$("ask").addEventListener("submit", (event) => { event.preventDefault(); show(); });
$("sql").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); show(); }
});
$("examples").addEventListener("change", () => { if ($("examples").value) { $("sql").value = $("examples").value; show(); } });
document.querySelectorAll(".file").forEach((one) => one.addEventListener("click", () => save(one.value)));
