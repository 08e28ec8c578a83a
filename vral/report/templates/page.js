"use strict"
// The theme is the system's until the reader chooses one; the browser keeps the choice if it can.
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
      } catch { /* without storage the choice holds until the page is closed */ }
      show()
    })
    dark.addEventListener("change", show)
    show()
  })
  // On paper every folded part is open, except the claims not run and the explorer's table.
  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details:not(#not-run, #numbers)")) part.open = true
  })
}
