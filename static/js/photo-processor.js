// <photo-processor api token multiple options timeout>, with the fields of a recipe besides: photos go in, and come back
// as it says. docs/integration.md has its attributes, events and CSS properties.

const FIELDS = `remove_bg model refine decontaminate trim padding background shadow crop_face face_policy no_face
  face_preset face_align size fit position enlarge format channels quality effort max_bytes dpi metadata variants`.split(/\s+/)
const OPTIONS = { // the label, then the choices; none for yes or no
  remove_bg: ["Remove the background"],
  crop_face: ["Crop to the face"],
  model: ["Model", ""],
  background: ["Background", "transparent", "white", "black", "blur"],
  size: ["Size", "", "400x400", "800x800", "1200x1200"],
  format: ["Format", "auto", "png", "jpg", "webp", "avif"],
}
const WORDS = { new: "waiting", queued: "waiting", processing: "working" }
const ENDED = ["completed", "failed", "cancelled"]
const STOPPED = "stopped", REFUSED = "not_authenticated", TIMEOUT = "client_timeout"
const BLOB = { responseType: "blob", patient: false }, POST = { method: "POST" }
const SHOWN = 60, POLL = 2_000, QUIET = 10_000, MOST = 100e6 // photos, ms, bytes

const sheet = new CSSStyleSheet() // strict policies forbid a style element
sheet.replaceSync(`
:host { --accent: var(--photo-processor-accent, light-dark(#0b62d6, #6aa9ff)); --ink: var(--photo-processor-ink, light-dark(#171717, #ededed));
  --surface: var(--photo-processor-surface, light-dark(#fff, #1c1c1c)); --failed: var(--photo-processor-failed, light-dark(#b3211f, #ff9b95));
  --muted: color-mix(in srgb, var(--ink) 75%, var(--surface)); --line: color-mix(in srgb, var(--ink) 50%, var(--surface));
  --sunken: color-mix(in srgb, var(--ink) 7%, var(--surface)); --radius: var(--photo-processor-radius, 8px);
  display: block; color: var(--ink); font: .875rem/1.45 var(--photo-processor-font, system-ui, sans-serif); font-variant-numeric: tabular-nums }
:host([hidden]), [hidden] { display: none !important }
* { box-sizing: border-box; min-width: 0; margin: 0 }
.box, li, .zone { display: grid; gap: 1rem }
.box { padding: 1rem; background: var(--surface); border-radius: var(--radius) }
.sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%) }
.zone { gap: .25rem; padding: 2rem 1rem; text-align: center; cursor: pointer; border: 1px dashed var(--line); border-radius: var(--radius) }
.zone:hover, .over { border-color: var(--accent) }
.over { background: var(--sunken) }
.zone span, .note { color: var(--muted) }
b, .text { font-weight: 600 }
.zone:focus-within, :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }
.text { outline: 0 }
.row { display: flex; flex-wrap: wrap; gap: 1rem }
.check { display: flex; gap: .5rem; align-items: center; align-self: end; min-height: 2.75rem }
input, progress { accent-color: var(--accent) }
select, button { font: inherit; color: inherit; min-height: 2.75rem; padding: 0 .75rem; border: 1px solid var(--line); border-radius: var(--radius); background: var(--surface) }
select, progress { width: 100% }
button { font-weight: 600; cursor: pointer; justify-self: start }
button:hover, button:disabled { background: var(--sunken) }
.main:enabled { background: var(--ink); color: var(--surface) }
.alert { border: 1px solid var(--failed) }
ol:empty, fieldset:empty, .row:not(:has(> :not([hidden]))) { display: none }
ol, fieldset { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 15rem), 1fr)); gap: 1rem; padding: 0; border: 0; list-style: none }
li { gap: .25rem; align-content: start }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 2px; overflow: hidden; border-radius: var(--radius) }
.pair div { position: relative; display: grid; place-items: center; aspect-ratio: 1; background: var(--sunken); text-transform: capitalize }
.pair div + :has(img) { background: conic-gradient(#8882 25%, #0000 0 50%, #8882 0 75%, #0000 0) 0 0/16px 16px, light-dark(#fff, #555) }
img { position: absolute; width: 100%; height: 100%; object-fit: contain }
.name, .note, .alert { overflow-wrap: anywhere }
.note b { display: block; color: var(--failed) }
`)

const h = (tag, properties, ...children) => {
  const made = Object.assign(document.createElement(tag), properties)
  made.append(...children)
  return made
}
const button = (textContent, onclick, className = "", ariaLabel = null) => h("button", { type: "button", textContent, onclick, className, ariaLabel })
const photos = (count) => (count === 1 ? "1 photo" : `${count.toLocaleString("en")} photos`)
const megabytes = (bytes) => `${Math.round(bytes / 1e5) / 10}MB`
const isZip = ({ name }) => /\.zip$/i.test(name)
const makeKey = () => crypto.getRandomValues(new Uint32Array(4)).join("-") // randomUUID wants https

const halt = (code, message) => Object.assign(new Error(message), { code }) // why it cannot go on

class PhotoProcessor extends HTMLElement {
  static observedAttributes = ["api", "token"]

  #state // idle, busy (also where it was halted), done
  #ui
  #limits // of the server
  #tiles // of each photo: {name, file, state, note, remedy, upload}, and its elements
  #shown // how many of them
  #queue // to be sent: [{tiles, key}]
  #total // photos in it first
  #recipe
  #job // its id
  #open // it waits for more photos
  #answer // {received, accepted, refused} of all that was sent
  #progress // the job's, as told last
  #seen // the progress that the tiles show
  #run // an AbortController
  #timer
  #heardAt
  #saidAt = 0
  #urls = []
  #pictures = Promise.resolve() // they come one after the other

  constructor() {
    super()
    const ui = this.#ui = {
      input: h("input", { type: "file", accept: "image/*,.heic,.avif,.zip", className: "sr", onchange: () => { this.#add([...ui.input.files]); ui.input.value = "" } }),
      title: h("b"), hint: h("span"), options: h("fieldset", { className: "idle", ariaLabel: "Options" }),
      text: h("p", { className: "text busy done", tabIndex: -1 }),
      bar: h("progress", { max: 100, value: 0, className: "busy", ariaLabel: "Progress" }),
      why: h("p", { role: "alert" }), again: button("", () => this.#goOn(), "main"),
      start: button("", () => this.#start(), "main idle"), cancel: button("Cancel", () => this.#cancel(), "busy"),
      zip: button("Download all (ZIP)", () => this.#save(ui.zip, `jobs/${this.#job}/results.zip`, "photos.zip"), "main done"),
      over: button("Start over", () => { this.#reset(); if (!this.#limits) this.#load(); ui.input.focus() }, "idle done"),
      list: h("ol", { role: "list" }), more: button("Show more", () => { this.#shown += SHOWN; this.#look().catch((error) => this.#tell(error)) }),
      status: h("p", { className: "sr", role: "status" }),
    }
    ui.zone = h("label", { className: "zone idle" }, ui.input, ui.title, ui.hint)
    ui.alert = h("div", { className: "alert box" }, ui.why, ui.again)
    const row = h("div", { className: "row" }, ui.start, ui.zip, ui.cancel, ui.over)
    const root = this.attachShadow({ mode: "open" })
    root.adoptedStyleSheets = [sheet]
    root.append(h("div", { className: "box" }, ui.zone, ui.options, ui.text, ui.bar, ui.alert, row, ui.list, ui.more, ui.status))
    const over = (yes) => ui.zone.classList.toggle("over", Boolean(yes && this.#takes))
    ui.zone.ondragover = (event) => { event.preventDefault(); over(true) }
    ui.zone.ondragleave = () => over(false)
    ui.zone.ondrop = (event) => { event.preventDefault(); over(false); this.#add([...event.dataTransfer.files]) }
  }

  connectedCallback() {
    if (!this.#state) { this.#renderOptions(); this.#reset() }
    this.#goOn()
  }

  disconnectedCallback() { this.#stop() }

  attributeChangedCallback(name, before, now) { if (this.#state && this.isConnected && before !== now) this.#goOn() }

  #goOn() { if (this.#state === "busy") this.#go(); else this.#load() }

  #stop() { this.#run?.abort(halt(STOPPED)); clearTimeout(this.#timer) }

  #begin() { this.#stop(); this.#run = new AbortController() }

  #reset() {
    this.#begin()
    this.#urls.splice(0).forEach(URL.revokeObjectURL)
    this.#tiles = []
    this.#job = this.#progress = this.#seen = null
    this.#shown = SHOWN
    this.#set("idle")
  }

  // ---- what is set

  get #api() { return (this.getAttribute("api") || new URL(import.meta.url).origin).replace(/\/+$/, "") }
  get #token() { return this.getAttribute("token") }
  get #many() { return this.hasAttribute("multiple") }
  #attribute(field) { const value = this.getAttribute(field.replaceAll("_", "-")); return value === "" ? "true" : value }

  /** The limits, and the models where they can be chosen. */
  async #load() {
    this.#limits = null
    this.#set(this.#state)
    if (this.#run.signal.aborted) this.#begin()
    if (!this.#token) return
    try {
      const { limits } = await this.#ask("me", { patient: false }), { model } = this.#ui.options.elements
      const { results = [] } = model ? await this.#ask("models", { patient: false }) : {}
      for (const { name, finds, installed, allowed } of results) {
        if (finds === "subjects" && installed && allowed && ![...model.options].some(({ value }) => value === name)) model.add(new Option(name))
      }
      this.#limits = limits
      this.#set(this.#state)
    } catch (error) { this.#tell(error) }
  }

  #renderOptions() {
    const wanted = (this.getAttribute("options") ?? "remove-bg crop-face").replaceAll("-", "_").split(/\s+/)
    this.#ui.options.replaceChildren(...wanted.filter((name) => OPTIONS[name]).map((name) => {
      const [label, ...words] = OPTIONS[name], value = this.#attribute(name)
      if (!words.length) return h("label", { className: "check" }, h("input", { type: "checkbox", name, checked: value ? value === "true" : name === "remove_bg" }), label)
      return h("label", {}, label, h("select", { name }, ...[...new Set([value ?? words[0], ...words])].map((word) => new Option(word || "automatic", word))))
    }))
  }

  #chosen() {
    const shown = [...this.#ui.options.elements].map(({ name, type, checked, value }) => [name, type === "checkbox" ? String(checked) : value])
    return Object.fromEntries([...FIELDS.map((field) => [field, this.#attribute(field)]), ...shown].filter(([, value]) => value))
  }

  // ---- choosing photos

  get #takes() { return this.#state === "idle" && this.#limits }
  get #waiting() { return this.#tiles.filter(({ state }) => state === "waiting") }

  /** What surely would be refused says so at once. */
  async #add(files) {
    if (!this.#takes || !files.length) return
    const made = await Promise.all(files.slice(0, this.#many ? undefined : 1).map((file) => this.#tile(file)))
    this.#tiles = this.#many ? [...this.#tiles, ...made] : made
    this.#set("idle")
    this.#say(`${photos(this.#waiting.length)} chosen, ${this.#tiles.length - this.#waiting.length} refused.`, true)
  }

  async #tile(file) {
    const most = this.#limits.max_file_bytes, { byteLength } = await file.slice(0, 1).arrayBuffer().catch(() => ({}))
    const [note, remedy] =
      !byteLength ? ["The file is empty, or a folder.", "Drop its photos."]
      : /\.[ct]sv$/i.test(file.name) || !/^$|image|zip|octet/.test(file.type) ? ["This is no photo."]
      : !isZip(file) && file.size > most ? [`File size (${megabytes(file.size)}) exceeds maximum (${megabytes(most)}).`, "Save it smaller, then choose it again."]
      : []
    return { file, name: file.name, note, remedy, state: note ? "refused" : "waiting" }
  }

  // ---- sending and watching

  #start() {
    const refused = this.#tiles.filter(({ note }) => note).map(({ name, note }) => ({ name, code: "not_sent", detail: note }))
    this.#answer = { received: refused.length, accepted: 0, refused }
    this.#recipe = this.#chosen()
    this.#queue = this.#requests()
    this.#open = this.#queue.length > 1
    this.#total = this.#waiting.length
    this.#emit("start", { photos: this.#total, recipe: this.#recipe })
    this.#advance("sending", { processed: 0, total: this.#total, percentage: 0 })
    this.#go()
  }

  /** As few as the limits allow. */
  #requests() {
    const { max_files, max_body_bytes } = this.#limits, made = []
    let room = 0
    for (const tile of this.#waiting) {
      if (room < tile.file.size || made.at(-1).tiles.length === max_files) {
        made.push({ tiles: [], key: makeKey() })
        room = Math.min(MOST, max_body_bytes * .9)
      }
      made.at(-1).tiles.push(tile)
      room -= tile.file.size
    }
    return made
  }

  /** Goes on from wherever it stands. */
  async #go() {
    this.#begin()
    this.#set("busy")
    this.#news()
    try {
      for (; this.#queue.length; this.#queue.shift()) await this.#send(this.#queue[0])
      await this.#close()
      if (!this.#job) throw halt("none_accepted", "None was accepted.")
      await this.#watch()
      await this.#finish()
    } catch (error) { this.#tell(error, true) }
  }

  async #send({ tiles, key }) {
    const body = new FormData(), fields = this.#job ? {} : { ...this.#recipe, ...(this.#open && { open: "true" }) }
    for (const name in fields) body.append(name, fields[name])
    for (const tile of tiles) { body.append("files", tile.file, tile.name); tile.state = "sending" }
    this.#renderTiles()
    const left = this.#queue.reduce((sum, { tiles: some }) => sum + some.length, 0)
    const sent = ({ loaded, total }) => {
      const part = this.#total - left + tiles.length * loaded / total
      this.#advance("sending", { processed: Math.floor(part), total: this.#total, percentage: Math.floor(100 * part / this.#total) })
    }
    const answer = await this.#ask(this.#job ? `jobs/${this.#job}/uploads` : "jobs", { ...POST, body, key, sent })
    this.#job ??= answer.job_id
    this.#answer.received += answer.received
    this.#answer.accepted += answer.accepted
    this.#answer.refused.push(...answer.refused)
    for (const { name, detail } of answer.refused) {
      const tile = tiles.find((one) => one.name === name && one.state === "sending") ?? this.#new(name) // one out of a ZIP
      Object.assign(tile, { state: "refused", note: detail })
    }
    for (const tile of tiles) if (tile.state === "sending") tile.state = "queued"
    this.#tiles = this.#tiles.filter((tile) => !(isZip(tile) && tile.state === "queued")) // its photos come instead
    this.#renderTiles()
  }

  async #close() {
    if (this.#open && this.#job && !(await this.#ask(`jobs/${this.#job}/close`, POST))) this.#job = null // it was empty
    this.#open = false
  }

  /** By the socket's messages; without one, and now and then in any case, by asking. */
  async #watch() {
    const socket = this.#listen()
    this.#heardAt = 0
    try {
      for (;;) {
        if (Date.now() - this.#heardAt >= (socket?.readyState === 1 ? QUIET : POLL)) {
          const { status, counts, summary } = await this.#ask(`jobs/${this.#job}`), { completed, failed, cancelled } = counts
          this.#heard(status, { ...summary, processed: completed + failed + cancelled })
        }
        if (ENDED.includes(this.#progress.status)) return
        if (this.#seen !== this.#progress) await this.#look()
        await this.#pause(1_000)
      }
    } finally { socket?.close() }
  }

  #listen() {
    try {
      const socket = new WebSocket(`${this.#api.replace("http", "ws")}/ws/job/${this.#job}`, `bearer.${this.#token}`)
      socket.onmessage = ({ data }) => { const { status, progress } = JSON.parse(data); this.#heard(status, progress) }
      return socket
    } catch { return null } // it is forbidden
  }

  #heard(status, { processed, total, percentage }) {
    this.#heardAt = Date.now()
    const now = { status, processed, total, percentage }
    if (JSON.stringify(now) === JSON.stringify(this.#progress)) return
    this.#progress = now
    this.#advance("working", now)
  }

  /** Brings the shown tiles up to what the server has. */
  async #look() {
    const now = this.#progress, uploads = []
    for (let path = this.#job && `jobs/${this.#job}/uploads?limit=${SHOWN}`; path && uploads.length < this.#shown;) {
      const { results, next } = await this.#ask(path)
      uploads.push(...results)
      path = next
    }
    for (const upload of uploads) {
      const { id, name, status: state, error } = upload
      const tile = this.#tiles.find((one) => one.upload?.id === id) ?? this.#tiles.find((one) => !one.upload && one.name === name && one.state === "queued") ?? this.#new(name)
      Object.assign(tile, { upload, state, note: error?.message, remedy: error?.remedy })
    }
    this.#seen = now
    this.#renderTiles()
    return uploads
  }

  #new(name) { return this.#tiles[this.#tiles.push({ name }) - 1] }

  async #finish() {
    const uploads = await this.#look(), { status, summary } = await this.#ask(`jobs/${this.#job}`)
    const { total, successful, failed } = summary, refused = this.#answer.refused.length
    clearTimeout(this.#timer)
    this.#set("done")
    this.#ui.zip.hidden = !successful
    this.#say(`${successful} of ${photos(total)} completed${failed ? `, ${failed} failed` : ""}${refused ? `, ${refused} refused` : ""}.`, true)
    this.#emit("done", { job_id: this.#job, status, ...this.#answer, summary, uploads })
  }

  async #cancel() {
    this.#begin()
    this.#queue = []
    try {
      await this.#close()
      if (this.#job) await this.#ask(`jobs/${this.#job}/cancel`, POST)
    } catch (error) {
      if (error.code !== "nothing_to_do") return this.#tell(error, true)
    }
    if (!this.#job) return this.#back()
    this.#tiles = this.#tiles.filter(({ state }) => !["waiting", "sending"].includes(state))
    this.#go() // what is being worked on still ends
  }

  /** To before Start. */
  #back() {
    for (const tile of this.#tiles) if (tile.state === "sending") tile.state = "waiting"
    this.#set("idle")
  }

  // ---- asking the server

  /** The body of an answer; while it is patient, a broken connection and a busy server are asked again. */
  async #ask(path, { patient = true, ...how } = {}) {
    for (;;) {
      const xhr = await this.#request(path, how), { status, response } = xhr
      if (status >= 200 && status < 300 || response?.refused) return response
      if (status === 401) throw halt(REFUSED, `The token of this page has ended${this.#limits ? ": reload the page" : ", or is wrong"}.`)
      const later = xhr.getResponseHeader("Retry-After") // not with limit_reached
      if (patient && (later || [0, 502, 503, 504].includes(status))) await this.#pause(1000 * later || POLL)
      else if (status) throw halt(response?.code ?? "unexpected", response?.detail ?? `The server answered with ${status}.`)
      else throw halt("unreachable", `${this.#api} does not answer, or its PHOTO_ORIGINS does not name ${origin}.`)
    }
  }

  /** By XMLHttpRequest, for its upload progress. Status 0 is no answer. `path` may be an address that the server gave. */
  #request(path, { method = "GET", body = null, key, sent = null, responseType = "json" }) {
    return new Promise((resolve, reject) => {
      const xhr = new XMLHttpRequest()
      xhr.open(method, `${this.#api}/api/v1/${path.replace(/^.*?\/api\/v1\//, "")}`)
      xhr.responseType = responseType
      xhr.upload.onprogress = sent
      xhr.setRequestHeader("Authorization", `Bearer ${this.#token}`)
      if (key) xhr.setRequestHeader("Idempotency-Key", key)
      xhr.onloadend = () => resolve(xhr)
      this.#ended((reason) => { reject(reason); xhr.abort() })
      xhr.send(body)
    })
  }

  /** Calls it when what is done now is stopped. */
  #ended(call) {
    const { signal } = this.#run
    signal.throwIfAborted()
    signal.addEventListener("abort", () => call(signal.reason))
  }

  #pause(time) { return new Promise((resolve, reject) => { this.#ended(reject); setTimeout(resolve, time) }) }

  /** Something moved: the time-out begins anew. */
  #news() {
    clearTimeout(this.#timer)
    const run = this.#run, seconds = this.getAttribute("timeout") || 120, safe = this.#job ? "on the server, which goes on" : "still here"
    this.#timer = setTimeout(() => run.abort(halt(TIMEOUT, `No news for ${seconds} s. The photos are ${safe}.`)), 1000 * seconds)
  }

  // ---- showing

  #set(state) {
    const ui = this.#ui, focused = this.shadowRoot.activeElement, { length } = this.#waiting, most = this.#limits?.max_file_bytes
    this.#state = state
    for (const one of Object.values(ui)) if (/idle|busy|done/.test(one.className)) one.hidden = !one.classList.contains(state)
    ui.alert.hidden = true
    ui.start.hidden ||= !length
    ui.over.hidden ||= !this.#tiles.length
    ui.start.disabled = ui.input.disabled = !this.#takes
    ui.start.textContent = `Start ${photos(length)}`
    ui.input.multiple = this.#many
    ui.title.textContent = `Drop or choose ${this.#many ? "photos, or a ZIP" : "a photo"}`
    ui.hint.textContent = most ? `Up to ${megabytes(most)} each` : "Not connected yet"
    this.#renderTiles()
    if (focused && !focused.checkVisibility()) (state === "idle" ? ui.start : ui.text).focus()
  }

  #renderTiles() {
    const elements = this.#tiles.slice(0, this.#shown).map((tile) => this.#paint(tile)), { children } = this.#ui.list
    if (elements.length !== children.length || elements.some((one, at) => one !== children[at])) this.#ui.list.replaceChildren(...elements)
    this.#ui.more.hidden = Math.max(this.#tiles.length, this.#progress?.total ?? 0) <= this.#shown
  }

  /** A tile keeps its place and size; what did not change is left alone. */
  #paint(tile) {
    const { name, file, upload, state, note, remedy } = tile, { result, variants = {} } = upload ?? {}
    tile.element ??= h("li", {}, h("div", { className: "pair" },
      tile.before = h("div"), tile.after = h("div")),
      h("p", { className: "name", textContent: name }), tile.caption = h("div"))
    const looks = [state, note, result?.url, Object.keys(variants)].join()
    if (tile.looks === looks) return tile.element
    tile.looks = looks
    const before = file?.type.startsWith("image/") && !tile.unseen ? file : (variants["source-thumbnail"] ?? (ENDED.includes(state) && upload.source))?.url
    if (before) this.#show(tile, "before", before)
    if (result) this.#show(tile, "after", (variants.thumbnail ?? result).url)
    else tile.after.textContent = WORDS[state] ?? state
    const to = `${name.replace(/\.\w+$/, "")}.${result?.format}`
    tile.caption.replaceChildren(
      ...(note ? [h("p", { className: "note" }, h("b", { textContent: note }), remedy ?? "")] : []),
      ...(result ? [button("Download", ({ currentTarget }) => this.#save(currentTarget, result.url, to), "", `Download ${name}`)] : []))
    return tile.element
  }

  /** `from` is a File, or an address that the server gave. */
  #show(tile, side, from) {
    const frame = tile[side]
    if (frame.from === from) return
    frame.from = from
    this.#pictures = this.#pictures.then(async () => {
      if (!this.#tiles.includes(tile)) return
      const src = URL.createObjectURL(from instanceof File ? from : await this.#ask(from, BLOB))
      this.#urls.push(src)
      const onerror = () => { frame.replaceChildren(); tile.unseen = true; tile.looks = null } // not for this browser
      frame.replaceChildren(h("img", { alt: `${tile.name}, ${side}`, loading: "lazy", src, onerror }))
    }).catch(() => { frame.from = tile.looks = null })
  }

  async #save(button, path, name) {
    const { textContent } = button
    Object.assign(button, { disabled: true, textContent: "Fetching" })
    try {
      const href = URL.createObjectURL(await this.#ask(path, BLOB))
      h("a", { href, download: name }).click()
      setTimeout(() => URL.revokeObjectURL(href), 60_000)
    } catch (error) { this.#tell(error) }
    Object.assign(button, { disabled: false, textContent }).focus()
  }

  #advance(step, progress) {
    this.#news()
    this.#ui.bar.value = progress.percentage
    this.#say(`${progress.processed} of ${photos(progress.total)} ${step === "sending" ? "sent" : "done"}`)
    this.#emit("progress", { step, job_id: this.#job, ...progress })
  }

  /** Shown at once; spoken at most every ten seconds. */
  #say(text, now = false) {
    this.#ui.text.textContent = text
    if (!now && Date.now() - this.#saidAt < QUIET) return
    this.#saidAt = Date.now()
    this.#ui.status.textContent = text
  }

  #tell({ code = "unexpected", message }, halted = false) {
    if (code === STOPPED) return
    clearTimeout(this.#timer)
    if (halted && !this.#job && ![REFUSED, TIMEOUT].includes(code)) this.#back() // the options can be mended
    const { alert, why, again } = this.#ui
    alert.hidden = false
    why.textContent = message
    again.textContent = code === TIMEOUT ? "Keep waiting" : "Try again"
    again.hidden = this.#state !== "busy" && this.#limits
    this.#emit(code === REFUSED ? "token" : "error", { job_id: this.#job, code, message })
  }

  #emit(name, detail) { this.dispatchEvent(new CustomEvent(`photo-processor:${name}`, { detail, bubbles: true, composed: true })) }
}

if (!customElements.get("photo-processor")) customElements.define("photo-processor", PhotoProcessor)
