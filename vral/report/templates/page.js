"use strict"
// The theme: the system's, until the reader chooses; a choice is kept where the browser allows it.
{
  const root = document.documentElement
  const dark = matchMedia("(prefers-color-scheme: dark)")
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches)
  try {
    const kept = localStorage.getItem("vral-theme")
    if (kept === "dark" || kept === "light") root.dataset.theme = kept
  } catch { /* a page from disk may have no storage */ }
  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme")
    const show = () => {
      button.textContent = isDark() ? "Light theme" : "Dark theme"
      dispatchEvent(new Event("themechange"))
    }
    button.hidden = false
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark"
      try {
        localStorage.setItem("vral-theme", root.dataset.theme)
      } catch { /* then it holds until the page is closed */ }
      show()
    })
    dark.addEventListener("change", show)
    show()
  })
  // Paper shows what a screen folds away, but for what was not run and what the explorer lists.
  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details:not(#not-run, #numbers)")) part.open = true
  })
}
