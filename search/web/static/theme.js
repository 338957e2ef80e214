// Before the first paint: the theme that was chosen here last; otherwise the system's.
(() => {
  const saved = (() => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null;
    }
  })();
  if (saved === "light" || saved === "dark") document.documentElement.dataset.theme = saved;
})();
