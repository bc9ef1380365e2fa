// The grid of a job: selection, keys, size and backdrop. Tab stays within one card; arrows move.
import { act, all, ask, foresee, number, one, keysOn, photos, remember, remembered } from "./page.js"

const grid = one("#photos"), bar = one("#selection-bar")
const cards = () => all(".photo", grid)
const picked = () => all(".pick:checked", grid)
const label = (card) => one(".name", card)

// ---- size and backdrop

for (const name of ["size", "backdrop"]) {
  const choose = (value) => { grid.dataset[name] = value }
  const kept = one(`[name=${name}][value="${CSS.escape(remembered(name) ?? "")}"]`)
  if (kept) { kept.checked = true; choose(kept.value) }
  all(`[name=${name}]`).forEach((input) => input.addEventListener("change", () => { choose(input.value); remember(name, input.value) }))
}

// ---- selection

const FAR = 100 // photos: an act on more than these is asked about first
let last = null
function show() {
  const count = picked().length
  bar.hidden = !count
  one("[data-count]").textContent = number(count)
}
function clear() {
  picked().forEach((pick) => { pick.checked = false })
  show()
}
function range(from, to, on) {
  const list = cards(), ends = [list.indexOf(from), list.indexOf(to)].sort((a, b) => a - b)
  if (ends[0] >= 0) list.slice(ends[0], ends[1] + 1).forEach((card) => { one(".pick", card).checked = on })
}
grid.addEventListener("click", (event) => {
  if (!event.target.matches(".pick")) return
  const card = event.target.closest(".photo")
  if (event.shiftKey && last) range(last, card, event.target.checked)
  last = card
  show()
})
one("[data-clear]").addEventListener("click", () => { clear(); current()?.querySelector(".name").focus() })
one("[data-select-all]").addEventListener("click", () => { all(".pick", grid).forEach((pick) => { pick.checked = true }); show() })
all("[data-selected]").forEach((button) => button.addEventListener("click", async () => {
  const ids = picked().map((pick) => pick.value), values = new URLSearchParams(button.name && [[button.name, button.value]])
  ids.forEach((id) => values.append("upload", id))
  button.closest("dialog")?.close()
  const asked = `${button.dataset.far} ${photos(ids.length)}`
  if (button.dataset.far && ids.length > FAR && !await ask({ ask: `${asked}?`, askText: "So many cannot be taken back at once.", askYes: asked })) return
  const back = foresee(ids, button.dataset.optimistic)
  clear()
  await act(button.dataset.selected, values, { foreseen: back })
}))
one("[data-download]", bar).addEventListener("click", (event) => {
  const ids = picked().map((pick) => ["upload", pick.value])
  location.assign(`${event.currentTarget.dataset.download}?${new URLSearchParams(ids)}`)
})

// ---- keys: one card is in the tab order

let home = null
const current = () => (home?.isConnected ? home : one(".photo", grid))
const inOrder = (card, yes) => all(".name, .pick, button", card).forEach((part) => { part.tabIndex = yes ? 0 : -1 })
function rove(card) {
  if (home?.isConnected && home !== card) inOrder(home, false)
  home = card
  inOrder(card, true)
}
function go(card) {
  rove(card)
  label(card).focus()
}
grid.addEventListener("keydown", (event) => {
  const card = event.target.closest(".photo")
  if (!card || event.ctrlKey || event.metaKey || event.altKey) return
  const list = cards(), here = list.indexOf(card)
  const across = getComputedStyle(grid).gridTemplateColumns.split(" ").length
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across }[event.key]
  if (step) {
    event.preventDefault()
    const next = list[here + step]
    if (!next) return
    if (event.shiftKey) { range(card, next, true); last = next; show() }
    go(next)
  }
  const selects = (event.key.toLowerCase() === "x" && keysOn()) || (event.key === " " && event.target.matches(".name"))
  if (selects) {
    event.preventDefault()
    if (event.shiftKey && last) range(last, card, true)
    else one(".pick", card).checked = !one(".pick", card).checked
    last = card
    show()
  }
})
addEventListener("keydown", (event) => { if (event.key === "Escape" && !one("dialog[open]")) clear() })
grid.addEventListener("focusin", (event) => {
  const card = event.target.closest(".photo")
  if (card && card !== home) rove(card)
})

// Cards that come later, and what a change put into a card.
new MutationObserver((changes) => {
  for (const { addedNodes, target } of changes) {
    for (const node of addedNodes) {
      if (node.nodeType !== Node.ELEMENT_NODE) continue
      const own = target.closest?.(".photo")
      if (own) inOrder(own, own === home)
      else (node.matches(".photo") ? [node] : all(".photo", node)).forEach((card) => inOrder(card, card === home))
    }
  }
  if (!home?.isConnected && current()) rove(current())
}).observe(grid, { childList: true, subtree: true })
cards().forEach((card) => inOrder(card, false))
if (current()) rove(current())
show()
