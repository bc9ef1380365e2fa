// One photo: the slider is a range input, so keys, touch and screen readers work without further code.
import { all, keysOn, one, remember, remembered, typing } from "./page.js"

const KEPT = ["view", "backdrop", "zoom"]
function slide(range) {
  range.parentElement.style.setProperty("--at", `${range.value}%`)
  range.setAttribute("aria-valuetext", `${range.value}% original`)
}
// Enlarged, each picture is the file itself and no longer its preview; its middle is what is seen first.
async function sharpen() {
  const previews = one("[name=zoom]:not([value=fit]):checked") ? all(".compare img[data-full]").filter((img) => img.getAttribute("src") !== img.dataset.full) : []
  previews.forEach((img) => { img.src = img.dataset.full })
  await Promise.allSettled(previews.map((img) => img.decode()))
  if (previews.length) centre()
}
function centre() {
  const table = one(".table-top")
  table.scrollTo((table.scrollWidth - table.clientWidth) / 2, (table.scrollHeight - table.clientHeight) / 2)
}
addEventListener("input", (event) => { if (event.target.matches(".compare input")) slide(event.target) })
addEventListener("change", ({ target }) => {
  if (KEPT.includes(target.name)) remember(`photo-${target.name}`, target.value)
  if (target.name === "zoom") sharpen().then(centre)
})

// The choices of the last photo hold for the next; they may arrive later, with the result.
function restore() {
  for (const name of KEPT) {
    const kept = one(`[name=${name}][value="${CSS.escape(remembered(`photo-${name}`) ?? "")}"]`)
    if (kept && !kept.dataset.restored) { kept.checked = true; kept.dataset.restored = "" }
  }
  sharpen()
}
restore()
new MutationObserver(restore).observe(one("#main"), { childList: true, subtree: true, attributeFilter: ["src"] })
all(".compare input").forEach(slide)

// ---- keys: each control names its own; a verdict leads to the next photo, so that a second press is not meant for it

let leaving = false
const hold = (on) => document.documentElement.toggleAttribute("data-hold", on)
const undo = () => one("#toasts .toast form button") ?? one('[aria-keyshortcuts="U"]')
addEventListener("submit", ({ target }) => { leaving = !("act" in target.dataset) })
addEventListener("pageshow", () => { leaving = false })
addEventListener("keydown", (event) => {
  if (typing(event.target) || event.ctrlKey || event.metaKey || event.altKey || !keysOn() || one("dialog[open]")) return
  if (event.key === " " && !event.target.closest("a, button, summary, label, [type=checkbox], [type=radio]")) {
    event.preventDefault()
    return hold(true)
  }
  if (event.repeat || leaving || event.key.length > 1) return
  const key = event.key.toUpperCase()
  const control = key === "U" ? undo() : one(`[aria-keyshortcuts="${CSS.escape(key)}"]`)
  control?.click()
})
addEventListener("keyup", (event) => { if (event.key === " ") hold(false) })
addEventListener("blur", () => hold(false))
