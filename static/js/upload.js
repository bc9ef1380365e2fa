// New job: files are dropped, picked or pasted, shown as rows, and sent in several requests into one open job.
import { ready, sayWrong } from "./options.js"
import { alarm, all, csrf, element, freshToken, icon, notice, number, one, withoutWorkbooks } from "./page.js"

const FILES = 25, BYTES = 32e6, MAX_WAIT = 30_000, AT_ONCE = 4, STALLED = 15_000
const form = one("#new-job"), input = one("#files"), list = one("#files-list"), panel = one("#files-panel")
const zone = one("#drop-zone"), start = one("#start"), tryOne = one("#try-one"), halt = one("#upload-halt"), done = one("#upload-done")
const maxBytes = Number(form.dataset.maxMb) * 1e6

// One entry per file: {file, name, row, state: waiting | sending | accepted | refused, sent (bytes)}
let entries = []
let sending = false, over = false
const isZip = (entry) => /\.zip$/i.test(entry.name)
const size = (bytes) => {
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (bytes < 999.5 || unit === "GB") return `${bytes < 9.95 && unit !== "B" && unit !== "kB" ? bytes.toFixed(1) : Math.round(bytes)} ${unit}`
    bytes /= 1000
  }
}
const files = (count) => (count === 1 ? "1 file" : `${number(count)} files`)

// ---- rows

function add(found) {
  if (sending || over) { notice(sending ? "These files are being sent. Drop the others when they are there." : "This job has its files. Start a new one for the others.", { state: "failed" }); return }
  found = withoutWorkbooks(found)
  const tables = found.filter(({ name }) => /\.(csv|tsv)$/i.test(name))
  if (tables.length) { found = found.filter((file) => !tables.includes(file)); takeTables(tables, found.length + entries.length) }
  const rows = document.createDocumentFragment()
  for (const file of found) {
    if (entries.some(({ file: other, state }) => state !== "refused" && other.name === file.name && other.size === file.size && other.lastModified === file.lastModified)) continue
    const entry = { file, name: file.name, row: makeRow(file), state: "waiting", sent: 0 }
    entry.row.entry = entry
    entries.push(entry)
    rows.append(entry.row)
    hint(entry)
    pictures.observe(entry.row)
  }
  list.append(rows)
  count()
}

// A product CSV goes to a page of its own, with the options here. With photos here it waits to be sent on purpose, as they would be lost.
function takeTables(tables, others) {
  const [{ name }] = tables
  if (tables.length > 1) { alarm("Drop one product CSV at a time. None was sent."); return }
  if (!others) { sendTable(tables[0]); return }
  const button = element("button", { type: "button", className: "button", textContent: "Send it alone" })
  button.addEventListener("click", () => sendTable(tables[0]))
  notice(`${name} is a product CSV: it is sent on its own, without the photos here.`, { state: "review", action: button })
}
async function sendTable(file) {
  await ready
  const data = new DataTransfer()
  data.items.add(file)
  input.files = data.files
  form.elements.key.value = "" // another one may be sent from this page when somebody comes back to it
  form.submit()
  one("[data-drop-title]").textContent = `Sending ${file.name}`
}

function makeRow(file) {
  const row = one("#file-row").content.firstElementChild.cloneNode(true)
  one("[data-file-name]", row).textContent = file.name
  one("[data-file-name]", row).title = file.name
  one("[data-size]", row).textContent = size(file.size)
  one("progress", row).setAttribute("aria-label", `Sending ${file.name}`)
  one("[data-remove]", row).setAttribute("aria-label", `Remove ${file.name}`)
  if (/\.zip$/i.test(file.name)) one(".thumb", row).replaceChildren(icon("zip"))
  return row
}

function paint(entry, state, word, note = "", strong = "") {
  const { row } = entry
  row.dataset.state = state
  const acts = one("[data-word]", row)
  acts.replaceChildren(...(["completed", "failed"].includes(state) ? [icon(state), element("span", { className: "sr", textContent: word })] : [word]))
  const line = one("[data-note]", row)
  line.hidden = !note && !strong
  line.replaceChildren(...(strong ? [element("strong", { textContent: strong }), " "] : []), note)
  one("progress", row).hidden = state !== "processing"
  one("[data-remove]", row).hidden = entry.state !== "waiting" && (sending || entry.state !== "refused")
}

// The server decides; a hint saves the wait.
function hint(entry) {
  if (!isZip(entry) && entry.file.size > maxBytes) paint(entry, "warning", "Waiting", "It will most likely be refused.", `${size(entry.file.size)} is more than ${form.dataset.maxMb} MB.`)
  else if (!entry.file.size) paint(entry, "warning", "Waiting", "It will most likely be refused.", "The file is empty.")
}

// Small pictures of the files, only of rows that come into sight.
const MOST_PIXELS = 50e6
const pictures = new IntersectionObserver((seen) => {
  for (const { target, isIntersecting } of seen) {
    if (!isIntersecting) continue
    pictures.unobserve(target)
    const { file } = target.entry
    if (!file.type.startsWith("image/") || file.size > 40e6) continue
    const image = element("img", { alt: "", width: 44, height: 44, decoding: "async", src: URL.createObjectURL(file) })
    image.onload = () => {
      // It is decoded when it is drawn, and a file of few bytes may take gigabytes then.
      if (image.naturalWidth * image.naturalHeight <= MOST_PIXELS) one(".thumb", target)?.replaceWith(image)
      URL.revokeObjectURL(image.src)
    }
    image.onerror = () => URL.revokeObjectURL(image.src)
  }
}, { rootMargin: "300px" })

function remove(entry) {
  const next = entry.row.nextElementSibling ?? entry.row.previousElementSibling
  entries = entries.filter((other) => other !== entry)
  entry.row.remove()
  count()
  if (next) one("[data-remove]", next).focus()
  else start.focus()
}
list.addEventListener("click", (event) => {
  const button = event.target.closest("[data-remove]")
  if (button) remove(button.closest(".file").entry)
})
one("[data-remove-all]").addEventListener("click", () => { entries = []; list.replaceChildren(); count(); input.focus() })

function count() {
  const total = entries.length, bytes = entries.reduce((sum, { file }) => sum + file.size, 0)
  panel.hidden = !total
  one("#files-title").textContent = files(total)
  one("#receipt").textContent = total ? size(bytes) : ""
  if (sending || over) return
  start.disabled = false
  const waiting = entries.filter(({ state }) => state === "waiting").length
  start.textContent = waiting ? `${job ? "Send" : "Start"} ${files(waiting)}` : "Start"
  one("#start-note").textContent = total ? "" : "Choose photos first."
  tryOne.hidden = waiting < 2 || !tried()
}

// ---- picking, dropping, pasting

input.required = false
input.classList.add("sr")
input.addEventListener("change", () => { add([...input.files]); input.value = "" })

const TITLE = one("[data-drop-title]").textContent
let depth = 0
const carriesFiles = (event) => event.dataTransfer?.types.includes("Files")
function over_(yes, items = 0) {
  zone.classList.toggle("over", yes)
  one("[data-drop-title]").textContent = yes ? (items ? `Drop ${files(items)}` : "Drop them") : TITLE
}
addEventListener("dragenter", (event) => { if (carriesFiles(event)) { event.preventDefault(); depth++; over_(true, event.dataTransfer.items.length) } })
addEventListener("dragover", (event) => { if (carriesFiles(event)) { event.preventDefault(); event.dataTransfer.dropEffect = "copy" } })
addEventListener("dragleave", (event) => { if (carriesFiles(event) && --depth <= 0) { depth = 0; over_(false) } })
addEventListener("drop", async (event) => {
  if (!carriesFiles(event)) return
  event.preventDefault()
  depth = 0
  over_(false)
  const roots = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean)
  const plain = [...event.dataTransfer.files]
  add(roots.some((entry) => entry.isDirectory) ? (await Promise.all(roots.map(walk))).flat() : plain)
})

/** All files below a dropped entry, hidden ones left out. */
async function walk(entry) {
  if (entry.name.startsWith(".")) return []
  if (entry.isFile) return new Promise((resolve) => entry.file((file) => resolve([file]), () => resolve([])))
  const reader = entry.createReader(), inside = []
  for (;;) {
    const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])))
    if (!some.length) break
    inside.push(...some)
  }
  return (await Promise.all(inside.map(walk))).flat()
}

let pasted = 0
addEventListener("paste", (event) => {
  const found = [...(event.clipboardData?.files ?? [])]
  if (!found.length) return
  event.preventDefault()
  add(found.map((file) => (file.name === "image.png" ? new File([file], `pasted-${++pasted}.png`, { type: file.type }) : file)))
})

// ---- sending

function batches() {
  const all = [], waiting = entries.filter(({ state }) => state === "waiting")
  let batch = [], bytes = 0
  const close = () => { if (batch.length) all.push(makeBatch(batch)); batch = []; bytes = 0 }
  for (const entry of waiting) {
    const alone = isZip(entry) || entry.file.size > BYTES // a ZIP's refusals are then surely its own
    if (alone || batch.length === FILES || bytes + entry.file.size > BYTES) close()
    batch.push(entry)
    bytes += entry.file.size
    if (alone) close()
  }
  close()
  return all
}
const makeBatch = (entries) => ({ entries, key: makeKey() })
// randomUUID is missing where the page comes over plain http.
const makeKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("")

const total = { received: 0, accepted: 0, refused: 0, wanted: 0 } // wanted: refused, though somebody chose it
let job = null

form.addEventListener("submit", (event) => {
  if (event.submitter && event.submitter !== start) return // the samples
  if (over) { event.preventDefault(); return }
  event.preventDefault()
  if (!entries.length) { one("#start-note").textContent = "Choose photos first."; input.focus(); return }
  send()
})

form.addEventListener("input", () => { if (!sending && !job) { halt.hidden = true; waiters.clear() } }) // it may be mended by that

async function send() {
  if (sending) return
  setSending(true)
  await ready
  const recipe = chosen()
  try {
    const queue = batches()
    while (queue.length) await deliver(queue.shift(), job ? null : recipe) // one after the other: the job keeps their order
    if (job) await patient(() => request(job.close_url, new FormData()), [])
    finish()
  } catch (stopped) {
    if (!(stopped instanceof Halt)) throw stopped
    entries.filter(({ state }) => state === "sending").forEach((entry) => { entry.state = "waiting"; entry.sent = 0; paint(entry, "queued", "Waiting") })
    setSending(false)
    sayHalt(job ? "Stopped: the rest was not sent." : "Nothing was sent.", stopped.message, send)
  }
}

/** The options as they are now. */
function chosen() {
  const recipe = new FormData(form)
  for (const name of ["files", "background_image", "key", "csrfmiddlewaretoken"]) recipe.delete(name)
  return recipe
}

// The first photo goes ahead as a job of its own; it stays among those that wait.
tryOne.addEventListener("click", async () => {
  const entry = tried()
  tryOne.disabled = true
  await ready
  const data = chosen()
  data.append("key", makeKey())
  data.append("files", entry.file, entry.name)
  const { status, body } = await request(form.dataset.send, data)
  tryOne.disabled = false
  sayWrong(body.fields)
  if (body.url) notice(`${entry.name} is tried by itself.`, { action: element("a", { className: "button", href: body.url, target: "_blank", textContent: "Look at it" }) })
  else alarm(status ? body.detail ?? body.refused?.[0]?.detail ?? `The server answered with ${status}.` : "The server does not answer. Nothing was sent.")
})
const tried = () => entries.find((entry) => entry.state === "waiting" && !isZip(entry))

/** One batch, sent again with the same key until it is answered. */
async function deliver(batch, recipe = null) {
  const left = batch.entries.filter((entry) => entries.includes(entry)) // removed meanwhile
  if (!left.length) return
  batch.entries = left
  left.forEach((entry) => { entry.state = "sending"; paint(entry, "processing", "0%") })
  const there = await intoBucket(left)
  const { status, body } = await patient(() => {
    const data = new FormData()
    if (recipe) { for (const [name, value] of recipe) data.append(name, value); data.append("open", "true") }
    data.append("key", batch.key)
    left.forEach(({ file, name, key }) => (there ? data.append("s3_keys", key) : data.append("files", file, name)))
    return request(job ? job.add_url : form.dataset.send, data, there ? [] : left)
  }, left)
  if (Array.isArray(body.refused)) settle(left, body)
  else if (status === 413 && left.length === 1) settle(left, { received: 1, accepted: 0, refused: [{ name: left[0].name, code: body.code, detail: body.detail }] })
  else if (status === 413) { // too much at once: one by one
    for (const entry of left) await deliver(makeBatch([entry]), job ? null : recipe)
  } else {
    sayWrong(body.fields)
    throw new Halt(body.detail ?? `The server answered with ${status}.`)
  }
  if (body.job_id && !job) job = body
}
class Halt extends Error {}

// Where the files live in a bucket, photos go straight there, and the server is told their keys. Whatever is in the way
// of that, they go through the server, which also says what is wrong with a file; what lies there already is removed later.
let direct = Boolean(form.dataset.leave)

/** Whether all of these are in the bucket now, each with its `key`. */
async function intoBucket(batch) {
  if (!direct || batch.some((entry) => isZip(entry) || !entry.file.size || entry.file.size > maxBytes)) return false
  const files = batch.map(({ file, name }) => ({ name, size: file.size, type: file.type }))
  const leaves = (await request(form.dataset.leave, JSON.stringify({ files }))).body.files
  if (!leaves?.every(({ key }) => key)) return false
  const waiting = leaves.map((leave, at) => [batch[at], leave])
  const oneAfterTheOther = async () => { while (direct && waiting.length) if (!await sendOne(...waiting.shift())) direct = false }
  await Promise.all(Array.from({ length: AT_ONCE }, oneAfterTheOther))
  return direct
}

async function sendOne(entry, { key, url, fields }) {
  const data = new FormData()
  for (const [name, value] of Object.entries(fields)) data.append(name, value)
  data.append("file", entry.file, entry.name)
  entry.key = key
  const { status } = await request(url, data, [entry], STALLED)
  return status >= 200 && status < 300
}

/** Until there is an answer: a broken connection is waited for, longer each time. */
async function patient(attempt, batch) {
  for (let tries = 0; ; tries++) {
    let answer = await attempt()
    if (answer.status === 403 && await freshToken()) answer = await attempt() // somebody signed in anew meanwhile
    const again = !answer.status || [502, 503, 504].includes(answer.status) || (answer.status === 409 && answer.body.code === "request_in_progress")
    if (!again) {
      if (tries) { halt.hidden = true; batch.forEach((entry) => paint(entry, "processing", percentOf(entry))) }
      return answer
    }
    const why = answer.status ? answer.body.detail ?? "The server is busy. It goes on by itself." : "The connection broke. It goes on by itself."
    stale.clear() // else the next frame would paint over it that they go on
    batch.forEach((entry) => paint(entry, "warning", percentOf(entry), why))
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.min(MAX_WAIT, 1000 * 2 ** tries) * (.75 + Math.random() / 2))
      const now = () => { clearTimeout(timer); resolve() }
      sayHalt(`Stopped at ${percent()}%.`, why, now)
      addEventListener("online", now, { once: true })
    })
  }
}

function sayHalt(what, more, now) {
  one("[data-what]", halt).textContent = what
  one("[data-more]", halt).textContent = more
  waiters.add(now)
  halt.hidden = false
}
const waiters = new Set()
one("[data-go-on]").addEventListener("click", () => {
  halt.hidden = true
  const now = [...waiters]
  waiters.clear()
  now.forEach((go) => go())
})

/** POST by XMLHttpRequest, for its upload progress. Resolves to {status, body}; status 0 where there was no answer, or none of it moved for so many ms. */
function request(url, data, batch = [], patience = 0) {
  return new Promise((resolve) => {
    const xhr = new XMLHttpRequest()
    xhr.open("POST", url)
    if (new URL(url, location).origin === location.origin) { // the token is for our own server alone
      xhr.setRequestHeader("X-CSRFToken", csrf())
      xhr.setRequestHeader("Accept", "application/json")
    }
    if (typeof data === "string") xhr.setRequestHeader("Content-Type", "application/json")
    let timer = 0
    const moved = () => { clearTimeout(timer); if (patience) timer = setTimeout(() => xhr.abort(), patience) }
    xhr.upload.onprogress = ({ loaded }) => { moved(); spread(batch, loaded) }
    xhr.onloadend = () => clearTimeout(timer)
    xhr.onload = () => {
      if (xhr.responseURL && new URL(xhr.responseURL).pathname !== new URL(url, location).pathname) return resolve({ status: 401, body: { detail: "You are signed out. Sign in in another tab, then go on." } })
      let body = {}
      try { body = JSON.parse(xhr.responseText) } catch { body = { detail: xhr.status === 403 ? "You are signed out. Sign in in another tab, then go on." : undefined } }
      resolve({ status: xhr.status, body })
    }
    xhr.onerror = xhr.onabort = xhr.ontimeout = () => resolve({ status: 0, body: {} })
    xhr.send(data)
    moved()
  })
}

// The bytes of a request, mapped onto its files in their order.
let painting = 0
const stale = new Set()
function spread(batch, loaded) {
  for (const entry of batch) {
    entry.sent = Math.max(0, Math.min(entry.file.size, loaded))
    loaded -= entry.file.size
    stale.add(entry)
  }
  painting ||= requestAnimationFrame(() => {
    painting = 0
    for (const entry of stale) {
      if (entry.state !== "sending") continue
      if (entry.row.dataset.state !== "processing") paint(entry, "processing", "")
      one("[data-word]", entry.row).textContent = percentOf(entry)
      one("progress", entry.row).value = parseInt(percentOf(entry))
    }
    stale.clear()
    overall()
  })
}
const percentOf = ({ file, sent }) => `${file.size ? Math.floor(100 * sent / file.size) : 100}%`
const percent = () => {
  const bytes = entries.reduce((sum, { file }) => sum + file.size, 0)
  return bytes ? Math.floor(100 * entries.reduce((sum, entry) => sum + entry.sent, 0) / bytes) : 0
}
function overall() {
  if (!sending) return
  const there = entries.filter(({ state }) => state === "accepted" || state === "refused").length
  one("#sent").value = 10 * percent()
  start.textContent = `Sending, ${percent()}%`
  one("#start-note").textContent = `${number(there)} of ${files(entries.length)} sent. Stay on this page until all are.`
}

// ---- answers

function settle(batch, { received, accepted, refused }) {
  total.received += received
  total.accepted += accepted
  total.refused += refused.length
  total.wanted += refused.filter(({ code }) => code !== "archive_entry_skipped").length
  const open = [...batch], inside = []
  for (const refusal of refused) {
    const at = open.findIndex(({ name, key }) => [name, key].includes(refusal.name))
    if (at >= 0) refuse(open.splice(at, 1)[0], refusal.detail)
    else inside.push(refusal)
  }
  for (const entry of open) {
    const own = isZip(entry) ? inside : []
    const took = isZip(entry) ? accepted : 1
    entry.state = took ? "accepted" : "refused"
    entry.sent = entry.file.size
    const note = isZip(entry) ? `${took === 1 ? "1 photo" : `${number(took)} photos`} accepted${own.length ? `, ${number(own.length)} left out` : ""}` : ""
    paint(entry, took ? "completed" : "failed", took ? "Accepted" : "Refused", note)
    if (own.length) leftOut(entry, own)
  }
  overall()
}

function refuse(entry, detail) {
  entry.state = "refused"
  entry.sent = entry.file.size
  paint(entry, "failed", "Refused", detail)
}

function leftOut(entry, refused) {
  const items = refused.map(({ name, detail }) => element("li", {}, element("code", { textContent: name }), element("span", { className: "soft", textContent: detail })))
  entry.row.append(element("details", {}, element("summary", { textContent: "Which were left out, and why" }), element("ul", {}, ...items)))
}

function setSending(yes) {
  sending = yes
  if (yes) halt.hidden = true
  one("[data-remove-all]").hidden = yes
  one("#sent").hidden = !yes
  tryOne.hidden = yes
  one("#recipe-scroll").inert = yes
  start.disabled = yes
  if (yes) overall()
  else count()
}

function finish() {
  sending = false
  if (!total.accepted) job = null // closed without a photo, it is gone
  if (job && !total.wanted) { over = true; start.textContent = "All sent"; location.assign(job.url); return }
  // What was refused comes first.
  list.prepend(...entries.filter(({ state }) => state === "refused").map(({ row }) => row))
  one("#files-title").textContent = `${number(total.received)} received`
  one("#receipt").textContent = `${number(total.accepted)} accepted, ${number(total.refused)} refused`
  one("#sent").hidden = true
  if (!job) return nothing()
  over = true
  one("#start-note").textContent = ""
  start.textContent = "All sent"
  done.dataset.state = "warning"
  one("[data-what]", done).textContent = `${number(total.accepted)} of ${number(total.received)} were accepted.`
  one("[data-more]", done).textContent = "The job has begun with them; it lists the refused ones too."
  done.hidden = false
  const go = one("[data-go]", done)
  go.href = job.url
  go.focus()
}

// Nothing was accepted: the rows stay with their reasons until other files come.
function nothing() {
  setSending(false)
  one("#files-title").textContent = `${number(total.received)} received`
  one("#receipt").textContent = `0 accepted, ${number(total.refused)} refused. No job was made.`
  start.disabled = true
  start.textContent = "Start"
  one("#start-note").textContent = "Choose other photos."
  one("#files-title").focus()
  for (const key of Object.keys(total)) total[key] = 0
  const again = () => { entries = entries.filter(({ state }) => state === "waiting"); all("[data-state=failed]", list).forEach((row) => row.remove()); count() }
  input.addEventListener("change", again, { once: true })
  addEventListener("drop", again, { once: true })
}

addEventListener("beforeunload", (event) => { if (sending) event.preventDefault() })

count()
