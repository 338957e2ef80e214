// The theme, set before the first paint: what was chosen here last; otherwise the system's.
(() => {
  const root = document.documentElement;
  try {
    const chosen = localStorage.getItem("theme");
    if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
  } catch {
    // private windows may keep nothing
  }
  const change = () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try {
      localStorage.setItem("theme", root.dataset.theme);
    } catch {
      // the choice then lasts as long as the page
    }
  };
  addEventListener("DOMContentLoaded", () => document.getElementById("theme")?.addEventListener("click", change));
})();
