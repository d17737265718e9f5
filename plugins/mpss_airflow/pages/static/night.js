import { airflow } from "./keys.js";

const told = document.getElementById("told");

async function ask(path, body, done) {
  told.className = "";
  told.textContent = "Asking Airflow ...";
  const answer = await fetch(`${airflow}/api/v2${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  }).catch(() => null);
  if (answer?.ok) return void (told.textContent = done);
  told.className = "stop";
  told.textContent = answer?.status === 403 ? "Your account has no right to start this." : `Airflow did not take it (${answer?.status ?? "no answer"}).`;
}

document.querySelectorAll(".again").forEach((one) => one.addEventListener("click", () => ask(
  `/dags/${one.dataset.dag}/clearTaskInstances`,
  { dag_run_id: one.dataset.run, only_failed: true, dry_run: false, include_downstream: true },
  "The failed tasks begin again; this page shows them when it is opened anew.",
)));

document.querySelectorAll(".mend").forEach((one) => one.addEventListener("click", () => ask(
  "/dags/mpss_mend/dagRuns",
  { logical_date: null, conf: one.dataset.accept ? { accept: [one.dataset.accept] } : { retry: true } },
  "Started: mpss_mend tries and publishes; what is still broken stays here.",
)));
