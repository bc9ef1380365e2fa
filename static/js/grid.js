// The grid of a job: selection, keys, size and backdrop. Tab stays within one card; arrows move.
import { act, alarm, all, ask, foresee, number, one, keysOn, photos, ranges, remember, remembered } from "./page.js"
import { bring, cardOf, grid, idOf, ids, placeOf, shape } from "./pane.js"

const bar = one("#selection-bar")
const label = (card) => one(".name", card)

// ---- size and backdrop

for (const name of ["size", "backdrop"]) {
  const choose = (value) => { grid.dataset[name] = value }
  const kept = one(`[name=${name}][value="${CSS.escape(remembered(name) ?? "")}"]`)
  if (kept) { kept.checked = true; choose(kept.value) }
  all(`[name=${name}]`).forEach((input) => input.addEventListener("change", () => { choose(input.value); remember(name, input.value) }))
}

// ---- selection: of photos, whether or not they have a card just now

const FAR = 100, MOST = 10_000 // photos: an act on more than so many is asked about first, and is too much for one
const chosen = new Set(all(".pick:checked", grid).map((pick) => Number(pick.value)))
let last = null
function show() {
  bar.hidden = !chosen.size
  one("[data-count]").textContent = number(chosen.size)
  grid.classList.toggle("selecting", chosen.size > 0)
  all(".pick", grid).forEach((pick) => { pick.checked = chosen.has(Number(pick.value)) })
}
function choose(some, on = true) {
  for (const id of some) chosen[on ? "add" : "delete"](id)
  show()
}
function clear() {
  chosen.clear()
  show()
}
function span(from, to) {
  const [start, end] = [placeOf(from) ?? placeOf(to), placeOf(to)].sort((a, b) => a - b)
  return ids.slice(start, end + 1)
}
grid.addEventListener("click", (event) => {
  if (!event.target.matches(".pick")) return
  const id = Number(event.target.value)
  choose(event.shiftKey && last ? span(last, id) : [id], event.target.checked)
  last = id
})
one("[data-clear]").addEventListener("click", () => { clear(); label(current()).focus() })
one("[data-select-all]").addEventListener("click", () => choose(ids))

/** What is chosen in short; null, and why, where it is too much. */
function selected() {
  if (chosen.size <= MOST) return ranges(chosen)
  alarm(`${photos(chosen.size)} are too many at once. Select ${number(MOST)} at most.`)
  return null
}
all("[data-selected]").forEach((button) => button.addEventListener("click", async () => {
  const values = new URLSearchParams(button.name && [[button.name, button.value]]), upload = selected()
  button.closest("dialog")?.close()
  if (!upload) return
  values.set("upload", upload)
  const some = [...chosen], asked = `${button.dataset.far} ${photos(some.length)}`
  if (button.dataset.far && some.length > FAR && !await ask({ ask: `${asked}?`, askText: "So many cannot be taken back at once.", askYes: asked })) return
  const back = foresee(some, button.dataset.optimistic)
  clear()
  await act(button.dataset.selected, values, { foreseen: back })
}))
one("[data-download]", bar).addEventListener("click", (event) => {
  const upload = selected()
  if (upload) location.assign(`${event.currentTarget.dataset.download}?${new URLSearchParams({ upload })}`)
})

// ---- keys: one card is in the tab order, also while it is far from the screen

let home = ids[0]
const current = () => cardOf(home) ?? one(".photo", grid)
const inOrder = (card, yes) => all(".name, .pick, button", card).forEach((part) => { part.tabIndex = yes ? 0 : -1 })
function rove(card) {
  all(".photo:has([tabindex='0'])", grid).forEach((other) => { if (other !== card) inOrder(other, false) })
  home = idOf(card)
  inOrder(card, true)
}
function go(at) {
  const card = bring(at)
  rove(card)
  label(card).focus()
}
grid.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return
  const { across } = shape()
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across }[event.key], next = placeOf(home) + step
  if (step) event.preventDefault()
  if (next in ids) {
    if (event.shiftKey) { choose(span(home, ids[next])); last = ids[next] }
    go(next)
  }
  const selects = (event.key.toLowerCase() === "x" && keysOn()) || (event.key === " " && event.target.matches(".name"))
  if (selects && event.target !== grid) {
    event.preventDefault()
    if (event.shiftKey && last) choose(span(last, home))
    else choose([home], !chosen.has(home))
    last = home
  }
})
addEventListener("keydown", (event) => { if (event.key === "Escape" && !one("dialog[open]")) clear() })
grid.addEventListener("focusin", (event) => {
  const card = event.target.closest(".photo")
  if (card && idOf(card) !== home) rove(card)
})

// Cards that come later, and what a change put into a card.
new MutationObserver((changes) => {
  for (const { addedNodes, target } of changes) {
    for (const node of addedNodes) {
      const card = node.nodeType === Node.ELEMENT_NODE && (node.matches(".photo") ? node : target.closest?.(".photo"))
      if (!card) continue
      inOrder(card, idOf(card) === home)
      for (const pick of all(".pick", card)) pick.checked = chosen.has(Number(pick.value))
    }
  }
  if (!cardOf(home) && current()) inOrder(current(), true)
}).observe(grid, { childList: true, subtree: true })
all(".photo", grid).forEach((card) => inOrder(card, false))
if (current()) inOrder(current(), true)
show()
