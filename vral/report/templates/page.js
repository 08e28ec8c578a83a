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
  // A link to a part that is folded, or lies in one, opens it.
  const reveal = (hash) => {
    const target = document.getElementById(decodeURIComponent(hash.slice(1)))
    for (let part = target; part; part = part.parentElement) {
      if (part.tagName === "DETAILS") part.open = true
    }
    return target
  }
  addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']")
    if (link) reveal(link.hash)
    // A menu closes once something was chosen, there or elsewhere.
    for (const menu of document.querySelectorAll(".menu[open]")) {
      if (link || !menu.contains(event.target)) menu.open = false
    }
  })
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return
    for (const menu of document.querySelectorAll(".menu[open]")) {
      menu.open = false
      menu.querySelector("summary").focus()
    }
  })
  const follow = () => { if (location.hash) reveal(location.hash)?.scrollIntoView() }
  addEventListener("hashchange", follow)
  addEventListener("DOMContentLoaded", follow)

  // On paper every folded part is open, except menus, the claims not run and the explorer.
  let opened = []
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("main details, header details")].filter((part) =>
      !part.open && !part.closest("#not-run, #explorer"))
    for (const part of opened) part.open = true
  })
  addEventListener("afterprint", () => {
    for (const part of opened) part.open = false
    opened = []
  })
}
