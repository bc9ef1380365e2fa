// A pane on the photos of a job: of thousands only those near the screen have a card, above and below is empty room.
import { morph } from "./morph.js"
import { all, element, number, one, ranges } from "./page.js"

const PLAIN = 200 // photos: so many have all their cards
const NEAR = 1, FAR = 2 // screens beyond each edge in which no card may lack, and to which they are made when one does
const AT_ONCE = 40 // cards that are asked for: about a screen, so that nobody waits for those that have passed

export const grid = one("#photos")
export const ids = []
const places = new Map(), fresh = new Map() // cards that came before their place was in the pane
const above = element("div", { className: "room", role: "presentation" }), below = above.cloneNode()

export const idOf = (card) => Number(card.id.slice("upload-card-".length))
export const cardOf = (id) => document.getElementById(`upload-card-${id}`)
export const placeOf = (id) => places.get(id)
const cards = () => all(".photo", grid)

function add(id) {
  places.set(id, ids.length)
  ids.push(id)
}
for (const run of grid.dataset.ids.split(",").filter(Boolean)) {
  const [from, to = from] = run.split("-").map(Number)
  for (let id = from; id <= to; id++) add(id)
}

// ---- what has a card

let [first, end] = cards().length ? [placeOf(idOf(cards()[0])), placeOf(idOf(cards().at(-1))) + 1] : [0, 0]

/** How many cards stand side by side, and the px from one row to the next. */
export function shape() {
  const { gridTemplateColumns, rowGap } = getComputedStyle(grid), gap = parseFloat(rowGap)
  const card = one(".photo", grid)
  return { across: gridTemplateColumns.split(" ").length, gap, step: (card ? card.getBoundingClientRect().height : 0) + gap }
}

/** Cards for what is near the screen, where one lacks; room for the others. Who is amid them keeps their place. */
function fit() {
  const fewer = takeOut(), moved = sight && placeOf(sight.id) !== undefined && (fewer || sight.form !== form())
  if (ids.length && !one(".photo", grid)) draw(0, 1)
  const { across, gap, step } = shape(), { top: start } = grid.getBoundingClientRect()
  const top = moved ? (Math.floor(placeOf(sight.id) / across) + sight.part) * step - line() : -start
  const around = (screens) => ids.length <= PLAIN ? [0, ids.length] : [
    across * Math.max(0, Math.floor((top - screens * innerHeight) / step)),
    Math.min(ids.length, across * Math.max(1, Math.ceil((top + (1 + screens) * innerHeight) / step))),
  ]
  const [from, to] = around(NEAR), held = grid.contains(document.activeElement)
  if (fewer || from < first || to > end || first % across) draw(...around(FAR))
  else if (end % across && end < ids.length) draw(first, end - end % across) // whole rows, as the room below has them
  const room = (count) => Math.max(0, Math.ceil(count / across) * step - gap)
  for (const [part, count] of [[above, first], [below, ids.length - end]]) {
    part.style.height = `${room(count)}px`
    part.hidden = !count
  }
  // Only now: whoever takes the focus is laid out first, and in too little room the page would scroll.
  if (held && !grid.contains(document.activeElement)) grid.focus({ preventScroll: true })
  if (moved) scrollTo({ top: scrollY + grid.getBoundingClientRect().top + top, behavior: "instant" })
  one("#photos-empty").hidden = ids.length > 0
}

function draw(from, to) {
  for (const card of cards()) if (placeOf(idOf(card)) < from || placeOf(idOf(card)) >= to) card.remove()
  const slots = (start, stop) => ids.slice(start, stop).map((id) => fresh.get(id) ?? stub(id))
  const left = cards()
  if (left.length) {
    above.after(...slots(from, Math.max(from, first)))
    below.before(...slots(Math.min(to, end), to))
  } else above.after(...slots(from, to))
  ;[first, end] = [from, to]
  fresh.clear()
  cards().forEach((card, at) => { card.ariaPosInSet = first + at + 1; card.ariaSetSize = ids.length })
  tell()
  fill()
}

/** Which photos the server is to tell of: these, and those that come; all of them where one state is shown. */
function tell() {
  if (grid.dataset.stateShown) return
  const next = 1 + ids.reduce((most, id) => Math.max(most, id), 0)
  grid.dataset.shown = [ranges(ids.slice(first, end)), `${next}-${Number.MAX_SAFE_INTEGER}`].filter(Boolean).join()
  grid.dispatchEvent(new CustomEvent("shown"))
}

/** What stands for a card until it comes: as high, and a link to the photo already. */
function stub(id) {
  const name = element("a", { className: "name", id: `open-${id}`, href: grid.dataset.photo.replace("/0/", `/${id}/`),
    ariaLabel: `Photo ${number(placeOf(id) + 1)}` }, "\u00a0")
  return element("div", { className: "photo stub", id: `upload-card-${id}`, role: "listitem" },
    element("div", { className: "frame" }, element("span", { className: "skeleton" })), name,
    element("p", { className: "status" }))
}

let drawing = 0
function soon() {
  drawing ||= requestAnimationFrame(() => { drawing = 0; fit(); look() })
}

// ---- the place of who looks: the first photo in sight, also when the cards get another shape or those before it leave

let sight = null
const line = () => one(".toolbar").getBoundingClientRect().bottom
const form = () => `${grid.clientWidth} ${grid.dataset.size}`
function look() {
  const { across, step } = shape(), rows = (line() - grid.getBoundingClientRect().top) / step, row = Math.round(rows)
  const stays = sight && Math.floor(placeOf(sight.id) / across) === row // so that a turn there and back ends where it began
  const id = stays ? sight.id : ids[row * across]
  sight = rows > 0 && id ? { id, part: rows - row, form: form() } : null
}

// ---- photos that have left the state that is shown: they go from those that photos only pass through

const passing = ["processing", "queued"].includes(grid.dataset.stateShown), went = new Set()
const note = (id, state) => went[state === grid.dataset.stateShown ? "delete" : "add"](id)
function takeOut() {
  if (!passing || grid.matches(".selecting, :has(.photo:is(:hover, :focus-within))")) return false // not under a hand
  for (const card of cards()) if (card.dataset.state && !("foreseen" in card.dataset)) note(idOf(card), card.dataset.state)
  if (!went.size) return false
  for (const id of went) cardOf(id)?.remove()
  const stay = ids.filter((id) => !went.has(id)), before = ids.slice(0, first).filter((id) => went.has(id)).length
  went.clear()
  places.clear()
  ids.length = 0
  stay.forEach(add)
  first -= before
  end = first + cards().length
  return true
}
if (passing) {
  new MutationObserver(soon).observe(grid, { subtree: true, attributeFilter: ["data-state"] })
  for (const event of ["pointerleave", "focusout"]) grid.addEventListener(event, soon)
}

// ---- cards that lack

/** Those that are asked for next: the ones in the middle, where somebody looks, first. */
function inReach() {
  const away = (card) => Math.abs(placeOf(idOf(card)) - (first + end) / 2)
  return all(".stub:not(.gone)", grid).sort((a, b) => away(a) - away(b)).slice(0, AT_ONCE)
}

let asking = false
async function fill() {
  if (asking) return
  asking = true
  try {
    for (let lacking; (lacking = inReach()).length;) {
      const answer = await fetch(`${grid.dataset.some}?shown=${ranges(lacking.map(idOf))}`)
      if (!answer.ok || answer.redirected) break
      const came = document.createElement("template")
      came.innerHTML = await answer.text()
      for (const card of came.content.children) put(card)
      for (const stub of lacking) stub.classList.toggle("gone", stub.matches(".stub")) // purged meanwhile
    }
  } catch { /* asked for again with the next poll */ }
  asking = false
}
document.body.addEventListener("poll", fill)

function put(card) {
  const stub = cardOf(idOf(card))
  if (stub?.matches(".stub")) morph(stub, card)
}

// A photo that is new to the job, or to the state that is shown: it comes last.
grid.addEventListener("arrived", ({ detail: card }) => {
  const id = idOf(card), shown = grid.dataset.stateShown, { state } = card.dataset
  if (passing && places.has(id)) { note(id, state); soon() }
  if (places.has(id) || (shown && shown !== state && !(shown === "completed" && state === "review"))) return
  add(id)
  fresh.set(id, document.importNode(card, true))
  soon()
})

/** The card of that place, brought in sight. */
export function bring(at) {
  if (at < first || at >= end) {
    const { across, step } = shape()
    scrollTo({ top: scrollY + grid.getBoundingClientRect().top + Math.floor(at / across) * step - innerHeight / 2, behavior: "instant" })
    fit()
  }
  return cardOf(ids[at])
}

grid.tabIndex = -1
grid.prepend(above)
grid.append(below)
addEventListener("scroll", soon, { passive: true })
new ResizeObserver(soon).observe(grid)
fit()
tell()
