import { airflow, base, onKeys } from "./keys.js";

const $ = (id) => document.getElementById(id);
const coming = new Map(); // page of a study that is next: a promise of its text
const answered = new Set(); // here; a page that was fetched before still names them as next

function facts() {
  const { key, query, ahead, before } = $("study").dataset;
  return { key, query, ahead: ahead.split(" ").filter((one) => one && !answered.has(one)), before };
}

const address = (key) => (key ? `${base}/studies/${key}${facts().query}` : `${base}/worklist${facts().query}`);

// ---------------------------------------------------------------- from study to study

function fetchAhead() {
  const { ahead } = facts();
  for (const key of ahead.slice(0, 2)) {
    if (!coming.has(key)) coming.set(key, text(address(key)).catch(() => null));
    for (const kind of ["montage", "polar"]) new Image().src = `${base}/studies/${key}/${kind}.png`;
  }
}

async function text(url) {
  const answer = await fetch(url, { headers: { Accept: "text/html" } });
  if (!answer.ok) throw new Error(answer.status);
  return answer.text();
}

async function go(key) {
  const url = address(key);
  const html = key ? await (coming.get(key) ?? text(url).catch(() => null)) : null;
  coming.delete(key);
  if (!html) return void (location.href = url);
  history.pushState(null, "", url);
  show(html);
  refresh(url);
}

function show(html) {
  const next = new DOMParser().parseFromString(html, "text/html");
  document.title = next.title;
  $("main").replaceChildren(...next.getElementById("main").childNodes);
  $("main").focus({ preventScroll: true });
  scrollTo(0, 0);
  begin();
}

// A page that was fetched early counts the list as it was then: its count and its next are asked anew.
async function refresh(url) {
  const html = await text(url).catch(() => null);
  if (!html || location.pathname + location.search !== new URL(url, location).pathname + new URL(url, location).search) return;
  const fresh = new DOMParser().parseFromString(html, "text/html");
  const study = fresh.getElementById("study");
  if (!study || study.dataset.key !== facts().key) return;
  Object.assign($("study").dataset, study.dataset);
  $("next").replaceWith(fresh.getElementById("next"));
  document.querySelector(".who").replaceWith(fresh.querySelector(".who"));
  fetchAhead();
}

addEventListener("popstate", () => location.reload());

// ---------------------------------------------------------------- answers

async function answer(decision, reason = "", remark = "") {
  const { key, ahead } = facts();
  const buttons = document.querySelectorAll(".acts button");
  buttons.forEach((one) => (one.disabled = true));
  try {
    const got = await fetch(`${base}/studies/${key}/answer`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Requested-With": "mpss" },
      body: JSON.stringify({ decision, reason, text: remark }),
    });
    const said = await got.json();
    if (!got.ok) throw new Error([said.problem ?? said.detail, said.way_out].filter(Boolean).join(". "));
    answered.add(key);
    coming.delete(key);
    const closing = closeForms(key, decision, reason, remark, said.forms);
    const next = ahead.find((one) => !answered.has(one));
    if (!next) await closing; // another page is loaded then, which would end it
    await go(next);
    tell(`${key}: ${{ accept: "accepted", reject: "rejected", unsure: "another reader is asked" }[decision]}.`);
  } catch (error) {
    buttons.forEach((one) => (one.disabled = false));
    tell(`The answer about ${key} was not stored: ${error.message}`, "stop");
  }
}

// The form of Airflow that asks for the same study is answered too, with the same account.
async function closeForms(key, decision, reason, remark, which) {
  if (which === "none") return;
  const dags = `${airflow}/api/v2/dags`;
  const open = await fetch(
    `${dags}/mpss_review/dagRuns/~/hitlDetails?response_received=false&limit=${which === "one" ? 1 : 5}&subject_search=${encodeURIComponent(key)}`,
  ).catch(() => null);
  if (!open?.ok) return;
  for (const { task_instance: task } of (await open.json()).hitl_details) {
    await fetch(
      `${dags}/${task.dag_id}/dagRuns/${encodeURIComponent(task.dag_run_id)}/taskInstances/${task.task_id}/${task.map_index}/hitlDetails`,
      {
        method: "PATCH",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({
          chosen_options: [{ accept: "Accept", reject: "Reject", unsure: "Unsure" }[decision]],
          params_input: { artefact: reason || null, reason: remark || null },
        }),
      },
    ).catch(() => null);
  }
}

function tell(words, kind = "") {
  const at = $("told");
  if (!at) return;
  at.textContent = words;
  at.className = kind;
}

function askWhy() {
  if (!$("why") || $("reject").disabled) return;
  $("remark").value = "";
  $("why").showModal();
  document.querySelector(".reasons button").focus();
}

function choose(code) {
  const remark = $("remark").value.trim();
  if (code === "other" && !remark) {
    $("remark").dataset.for = "other";
    return void $("remark").focus();
  }
  $("why").close();
  answer("reject", code, remark);
}

function inDialog(event) {
  const writes = event.target === $("remark");
  if (writes && event.key === "Enter") {
    event.preventDefault();
    if ($("remark").dataset.for === "other") choose("other");
    else document.querySelector(".reasons button").focus();
  }
  const button = document.querySelectorAll(".reasons button")[Number(event.key) - 1];
  if (button && !writes) {
    event.preventDefault();
    choose(button.value);
  }
}

// ---------------------------------------------------------------- pictures and terms

function toggleContours() {
  const picture = $("montage");
  const shown = $("masks").getAttribute("aria-pressed") === "true";
  picture.dataset.contours ??= picture.src;
  picture.src = shown ? picture.dataset.bare : picture.dataset.contours;
  $("masks").setAttribute("aria-pressed", String(!shown));
}

async function openSlices() {
  const section = $("slices");
  section.hidden = !section.hidden;
  $("open-slices").setAttribute("aria-expanded", String(!section.hidden));
  if (section.hidden) return;
  const { start } = await import("./slices.js");
  await start(`${base}/studies/${facts().key}/slices.json`, tell);
  section.scrollIntoView({ block: "start" });
  $("canvas").focus({ preventScroll: true });
}

async function showTerms(button) {
  const { segment, configuration } = button.dataset;
  const at = `${base}/studies/${facts().key}/terms?segment=${segment}&configuration=${configuration}`;
  $("terms").innerHTML = await text(at).catch((error) => `<p>No terms: ${Number(error.message) || "no answer"}.</p>`);
}

// ---------------------------------------------------------------- a page begins

function begin() {
  $("accept")?.addEventListener("click", () => answer("accept"));
  $("unsure")?.addEventListener("click", () => answer("unsure"));
  $("reject")?.addEventListener("click", askWhy);
  $("why")?.addEventListener("keydown", inDialog);
  $("masks").addEventListener("click", toggleContours);
  $("open-slices").addEventListener("click", openSlices);
  document.querySelectorAll(".reasons button").forEach((one) => one.addEventListener("click", () => choose(one.value)));
  document.querySelectorAll(".terms").forEach((one) => one.addEventListener("click", () => showTerms(one)));
  fetchAhead();
}

const press = (id) => () => (!$(id) || $(id).disabled ? false : $(id).click());
onKeys({
  a: press("accept"),
  r: press("reject"),
  u: press("unsure"),
  m: () => ($("slices").hidden ? toggleContours() : document.dispatchEvent(new Event("mpss-masks"))),
  s: openSlices,
  c: () => ($("slices").hidden || $("cine").hidden ? false : $("play").click()),
  n: () => go(facts().ahead[0]),
  p: () => (facts().before ? go(facts().before) : false),
  w: () => (location.href = `${base}/worklist${facts().query}`),
});
begin();
