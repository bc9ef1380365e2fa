// What the scripts of every page share. Nothing runs on import, so that it may be imported twice.
import { morph } from "./morph.js"

export const one = (selector, root = document) => root.querySelector(selector)
export const all = (selector, root = document) => [...root.querySelectorAll(selector)]
export const number = (value) => value.toLocaleString("en")
export const photos = (count) => (count === 1 ? "1 photo" : `${number(count)} photos`)
/** Numbers in short, as the server reads them: 17-216,300. */
export function ranges(numbers) {
  const runs = []
  for (const next of [...numbers].sort((a, b) => a - b)) {
    if (runs.at(-1)?.[1] === next - 1) runs.at(-1)[1] = next
    else runs.push([next, next])
  }
  return runs.map(([first, last]) => (first === last ? first : `${first}-${last}`)).join()
}
export const typing = (target) => target.matches?.("input:not([type=checkbox], [type=radio], [type=range]), textarea, select")
export const keysOn = () => remembered("keys") !== "off"
export const csrf = () => JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"]

/** The token of a page read anew: after a sign-in in another tab the old one is void. False where none is to be had. */
export async function freshToken() {
  const answer = await fetch("/", { headers: { Accept: "text/html" } })
  const found = !answer.redirected && new DOMParser().parseFromString(await answer.text(), "text/html").body.getAttribute("hx-headers")
  if (found) document.body.setAttribute("hx-headers", found)
  return Boolean(found)
}

export function remembered(name) {
  try { return localStorage.getItem(name) } catch { return null }
}
export function remember(name, value) {
  try { localStorage.setItem(name, value) } catch { /* storage may be forbidden */ }
}

export function icon(name) {
  const space = "http://www.w3.org/2000/svg"
  const svg = document.createElementNS(space, "svg"), use = document.createElementNS(space, "use")
  svg.setAttribute("class", "icon")
  svg.setAttribute("aria-hidden", "true")
  use.setAttribute("href", `${document.body.dataset.icons}#i-${name}`)
  svg.append(use)
  return svg
}

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties)
  made.append(...children)
  return made
}

// ---- notices: the regions are in the page from the start, one toast at a time

/** A toast: with an action it stays until dismissed or the next act, else 6 s, longer under pointer or focus. */
export function notice(text, { state = "completed", action = null, region = "#toasts" } = {}) {
  const dismiss = element("button", { type: "button", className: "button quiet square", ariaLabel: "Dismiss" }, icon("x"))
  const toast = element("div", { className: "toast" }, icon(state), element("span", { textContent: text }))
  toast.dataset.state = state
  if (action) toast.append(action)
  toast.append(dismiss)
  toast.dataset.stays = action ? "yes" : ""
  one(region).replaceChildren(toast)
  tend(toast)
  return toast
}

/** Makes a toast, of ours or of the server, go away by itself and by its button. */
export function tend(toast) {
  one("[aria-label=Dismiss]", toast).addEventListener("click", () => toast.remove())
  if (toast.dataset.stays) return
  const later = () => setTimeout(() => {
    if (toast.matches(":hover, :focus-within")) later()
    else toast.remove()
  }, 6000)
  later()
}

/** The person's own act failed: said at once. */
export const alarm = (text, action = null) => notice(text, { state: "failed", action, region: "#alerts" })

/** The files without Excel workbooks; where there are some, it is said what to do with them. */
export function withoutWorkbooks(files) {
  const others = files.filter(({ name }) => !/\.xls[bmx]?$/i.test(name))
  if (others.length < files.length) alarm("That is an Excel workbook. Save it as CSV UTF-8 in Excel, then choose the CSV.")
  return others
}

export function undoButton({ url, label = "Undo", fields = {} }, then) {
  const button = element("button", { type: "button", className: "button quiet", textContent: label })
  button.addEventListener("click", async () => {
    button.disabled = true
    const values = new URLSearchParams()
    for (const [name, value] of Object.entries(fields)) [value].flat().forEach((single) => values.append(name, single))
    if (await act(url, values)) then?.()
  })
  return button
}

let saidAt = 0, toSay = "", waiting = 0
/** The polite status of the page; speaks at most every 10 s, the newest words only. */
export function say(text) {
  toSay = text
  if (waiting) return
  waiting = setTimeout(() => {
    waiting = 0
    saidAt = Date.now()
    one("#status").textContent = toSay
  }, Math.max(0, saidAt + 10_000 - Date.now()))
}

// ---- acts: shown at once, sent, put right by the answer

/** POST with the page's token, or with the one of a newer sign-in. Throws where the server does not answer. */
export async function post(url, body) {
  const send = () => fetch(url, { method: "POST", body, headers: { "X-CSRFToken": csrf(), "HX-Request": "true" } })
  const response = await send()
  return response.status === 403 && await freshToken() ? send() : response
}

/** Sends a person's act; true when it was done. Its answer may carry events: `poll` and `notice`. */
export async function act(url, values, { foreseen = () => {} } = {}) {
  let response
  try {
    response = await post(url, values)
  } catch {
    foreseen()
    alarm("The server does not answer. Nothing was changed.")
    return false
  }
  if (response.ok && !response.redirected) {
    const events = JSON.parse(response.headers.get("HX-Trigger") ?? "{}")
    for (const [name, detail] of Object.entries(events)) document.body.dispatchEvent(new CustomEvent(name, { detail }))
    return true
  }
  foreseen()
  alarm(await detailOf(response))
  document.body.dispatchEvent(new CustomEvent("poll"))
  return false
}

export async function detailOf(response) {
  if (response.redirected) return "You are signed out. Nothing was changed."
  try {
    return (await response.json()).detail
  } catch {
    if (response.status === 404) return "It is not there any more."
    if (response.status === 403) return "This page was open too long. Load it anew and try again."
    return `The server answered with ${response.status}. Nothing was changed.`
  }
}

const ACTS = {
  retry: ["queued", "Queued again", ["failed", "cancelled"]],
  redo: ["queued", "Queued again", ["failed", "cancelled", "review", "completed"]],
  cancel: ["cancelled", "Cancelled", ["queued", "processing"]],
  accept: ["completed", "Accepted", ["review"]],
}
/** Shows the new state of these photos before the server says so; returns what puts it back. */
export function foresee(ids, name) {
  const [state, word, from] = ACTS[name]
  const cards = ids.map((id) => one(`#upload-card-${id}`)).filter((card) => card && from.includes(card.dataset.state))
  const before = cards.map((card) => card.cloneNode(true))
  for (const card of cards) {
    card.dataset.state = state
    card.dataset.foreseen = ""
    one(".status", card).replaceChildren(icon(state), element("span", { textContent: word }))
    all(".why, .flag, .stop, progress", card).forEach((part) => { part.hidden = true })
  }
  return () => cards.forEach((card, i) => { if ("foreseen" in card.dataset) morph(card, before[i]) })
}

/** A question that reaches far: the count comes before it. */
export function ask({ ask: question, askText = "", askYes = "Yes" }) {
  const dialog = one("#ask"), yes = one("[data-ask-yes]", dialog)
  one("#ask-title").textContent = question
  one("[data-ask-text]", dialog).textContent = askText
  yes.textContent = askYes
  dialog.returnValue = ""
  dialog.showModal()
  return new Promise((resolve) => {
    yes.onclick = () => dialog.close("yes")
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true })
  })
}
