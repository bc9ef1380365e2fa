// A job, the rows of a product CSV, one photo or the queue, live: by the socket, else by a poll of the same fragments, every 2 s or as the server bears it.
import { morph } from "./morph.js"
import { element, notice, number, one, all, photos, ranges, say } from "./page.js"

const POLL = 2000, LOOK_ANEW = 15_000, PATIENCE = 6000
const SLOW = 1000, LONGEST_REST = 30_000 // ms
const REST = 10 // times as long as a slow answer took nothing is asked
const root = one("[ws-connect]"), poller = one("[hx-get]", root), label = one(".live", root)
const liveLost = one("#live-lost"), serverLost = one("#server-lost"), grid = one("#photos"), rows = one("#rows")
const clock = (when) => when.toLocaleTimeString("en-GB")

let asking = false, askedAt = 0, answeredAt = 0, rest = 0
let socket = null, open = false, stopped = false, answered = true, shownAt = new Date(), openAt = Date.now()
const poll = () => { if (!stopped) document.body.dispatchEvent(new CustomEvent("poll")) }

// ---- fragments

function apply(html) {
  const parsed = document.createElement("template")
  parsed.innerHTML = html
  for (const fragment of parsed.content.children) {
    const target = document.getElementById(fragment.id)
    if (target) morph(target, fragment)
    else if (fragment.matches(".photo")) grid?.dispatchEvent(new CustomEvent("arrived", { detail: fragment }))
  }
  shownAt = new Date()
  tell()
}

// ---- title, status and notices

let before = null
function tell() {
  const progress = one("[id^=job-progress-]")
  if (!progress) return
  const { title, name } = progress.dataset
  const now = { open: progress.dataset.open === "yes" }
  for (const key of ["total", "ended", "completed", "failed", "cancelled", "review"]) now[key] = Number(progress.dataset[key])
  document.title = `${title} · ${name} · photoproc`
  const words = [`${title} completed`]
  if (now.failed) words.push(`${number(now.failed)} failed`)
  if (now.cancelled) words.push(`${number(now.cancelled)} cancelled`)
  if (now.review) words.push(`${number(now.review)} to review`)
  const counted = (count) => (progress.dataset.noun ? `${number(count)} ${progress.dataset.noun}${count === 1 ? "" : "s"}` : photos(count))
  if (before && JSON.stringify(before) !== JSON.stringify(now)) {
    say(words.join(", "))
    const over = (counts) => counts.total > 0 && counts.ended === counts.total && !counts.open
    if (over(now) && !over(before)) background(`All ${counted(now.total)} have ended: ${words.slice(1).length ? words.slice(1).join(", ") : "none failed"}.`, now.failed)
    else if (now.failed > before.failed) background(`${counted(now.failed - before.failed)} failed.`, now.failed)
  }
  before = now
}
// Never in the way of what the person's own act has to say.
function background(text, failed) {
  if (one("#toasts [data-stays=yes]:not([data-background])")) return
  const show = failed && !(grid ?? rows)?.dataset.stateShown ? element("a", { className: "button quiet", href: "?state=failed", textContent: "Show" }) : null
  const toast = notice(text, { state: failed ? "failed" : "completed" })
  if (show) toast.lastChild.before(show)
  toast.dataset.background = ""
}

// ---- live or not

function show() {
  const mode = stopped || !answered ? "offline" : open ? "on" : "polling"
  label.dataset.live = mode
  label.textContent = { on: "Live", polling: `Checking every ${Math.round(Math.max(POLL, rest) / 1000)} s`, offline: `Offline, as of ${clock(shownAt)}` }[mode]
  liveLost.hidden = mode !== "polling" || Date.now() - openAt < PATIENCE || "hidden" in liveLost.dataset
  serverLost.hidden = mode !== "offline"
  if (mode === "offline" && !stopped) lost("The server does not answer.", `What you see is from ${clock(shownAt)}. It tries again by itself; your photos are safe there.`)
}
function lost(what, more) {
  if (one("[data-what]", serverLost).textContent !== what || one("[data-more]", serverLost).textContent !== more) {
    one("[data-what]", serverLost).textContent = what
    one("[data-more]", serverLost).textContent = more
  }
}
function stop(what, more, signIn) {
  stopped = true
  lost(what, more)
  one("[data-poll]", serverLost).hidden = true
  one("a", serverLost).hidden = !signIn
  show()
}
const signedOut = () => stop("You are signed out.", `What you see is from ${clock(shownAt)}.`, true)
const gone = () => stop("This job is not there any more.", "It was deleted, or it belongs to somebody else.", false)

// ---- the socket

htmx.config.wsReconnectDelay = (tries) => Math.min(30_000, 1000 * 2 ** Math.min(tries, 5)) * (.5 + Math.random() / 2)
const AGAIN_BY_ITSELF = [1006, 1011, 1012, 1013]
// The photos or rows on the page. What is not here need not be sent.
function shown() {
  if (grid) return grid.dataset.shown ?? ""
  const text = ranges(all(".product[id]", rows).map((row) => Number(row.id.slice(4))))
  return text.length < 6000 ? text : `0-${Number.MAX_SAFE_INTEGER}`
}
const view = () => {
  if (!one("[name=since]", poller)) return {} // the queue is sent whole
  return { since: one("[name=since]", poller).value, ...((grid ?? rows) && { shown: shown() }) }
}
htmx.createWebSocket = (address) => {
  if (stopped) return { addEventListener() {}, close() {}, readyState: WebSocket.CLOSED }
  const url = new URL(address)
  for (const [name, value] of Object.entries(view())) url.searchParams.set(name, value)
  socket = new WebSocket(url)
  return socket
}
const others = () => { if (open && shown()) socket.send(shown()) }
rows?.addEventListener("htmx:load", others)
grid?.addEventListener("shown", others)
let tries = 0
addEventListener("htmx:wsOpen", () => { open = answered = true; openAt = Date.now(); tries = 0; show() })
addEventListener("htmx:wsClose", ({ detail }) => {
  if (open) openAt = Date.now()
  open = false
  const { code } = detail.event
  if (code === 4401) return signedOut()
  if (code === 4404) return gone()
  if (!AGAIN_BY_ITSELF.includes(code)) setTimeout(() => { if (!stopped) detail.socketWrapper.reconnect() }, htmx.config.wsReconnectDelay(tries++))
  if (isDue()) poll()
  show()
})
addEventListener("htmx:wsBeforeMessage", (event) => {
  event.preventDefault()
  apply(event.detail.message)
})

// ---- the poll

poller.addEventListener("htmx:configRequest", ({ detail }) => {
  asking = true
  askedAt = Date.now()
  for (const [name, value] of Object.entries(view())) detail.parameters.set(name, value)
})
poller.addEventListener("htmx:afterRequest", ({ detail }) => {
  asking = false
  answeredAt = Date.now()
  const took = answeredAt - askedAt
  rest = detail.xhr.status && took > SLOW ? Math.min(LONGEST_REST, REST * took) : 0 // no answer says nothing of how busy it is
  show()
})
poller.addEventListener("htmx:beforeSwap", ({ detail }) => {
  const { xhr } = detail
  detail.shouldSwap = false
  answered = xhr.status < 500
  if (xhr.status === 404) return gone()
  if (xhr.status === 401 || xhr.status === 403 || !new URL(xhr.responseURL).pathname.endsWith("/changes")) return signedOut()
  if (xhr.status === 200) apply(xhr.responseText)
  show()
})
for (const name of ["htmx:sendError", "htmx:timeout"]) poller.addEventListener(name, () => { answered = false; show() })

const isDue = () => !asking && Date.now() - answeredAt >= rest && (!open || (!document.hidden && Date.now() - shownAt > LOOK_ANEW))
setInterval(() => {
  if (isDue()) poll()
  show()
}, POLL)
addEventListener("online", poll)
addEventListener("focus", poll)
document.addEventListener("visibilitychange", () => { if (!document.hidden) poll() })
one("[data-poll]", serverLost).addEventListener("click", poll)
addEventListener("pageshow", (event) => { if (event.persisted) poll() })
tell()
