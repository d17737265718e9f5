// Sets the theme before anything is painted: Airflow's, where this page lies in its UI.
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let airflow = null;
  try {
    if (parent !== window) airflow = parent.document.documentElement;
  } catch { airflow = null; } // framed by another origin: not Airflow
  const kept = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  const set = () => {
    const said = airflow ? (airflow.classList.contains("dark") ? "dark" : "light") : kept();
    root.dataset.theme = said === "dark" || said === "light" ? said : dark.matches ? "dark" : "light";
  };
  set();
  dark.addEventListener("change", set);
  if (airflow) new MutationObserver(set).observe(airflow, { attributeFilter: ["class"] });
})();
