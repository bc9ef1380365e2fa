// One photo: the slider is a range input, so keys, touch and screen readers work without further code.
import { all, keysOn, one, remember, remembered, typing } from "./page.js"

const compare = () => one(".compare")
function slide(range) {
  range.parentElement.style.setProperty("--at", `${range.value}%`)
  range.setAttribute("aria-valuetext", `${range.value}% original`)
}
addEventListener("input", (event) => { if (event.target.matches(".compare input")) slide(event.target) })
addEventListener("change", ({ target }) => { if (target.name === "view" || target.name === "backdrop") remember(`photo-${target.name}`, target.value) })

// The choices of the last photo hold for the next; they may arrive later, with the result.
function restore() {
  for (const name of ["view", "backdrop"]) {
    const kept = one(`[name=${name}][value="${CSS.escape(remembered(`photo-${name}`) ?? "")}"]`)
    if (kept && !kept.dataset.restored) { kept.checked = true; kept.dataset.restored = "" }
  }
}
restore()
if (!compare()?.matches(".slider")) new MutationObserver(restore).observe(one("#main"), { childList: true, subtree: true })

addEventListener("keydown", (event) => {
  if (typing(event.target) || event.ctrlKey || event.metaKey || event.altKey || !keysOn() || one("dialog[open]")) return
  const link = { j: "#go-next", k: "#go-back" }[event.key.toLowerCase()]
  if (link && one(link)) location.assign(one(link).href)
})
all(".compare input").forEach(slide)
