// Every page: theme, keys, dialogs, notices, and forms that act without leaving the page.
import { act, all, ask, foresee, keysOn, notice, one, remember, tend, typing, undoButton } from "./page.js"

const root = document.documentElement

addEventListener("click", (event) => {
  const button = event.target.closest?.("button, summary")
  if (!button?.closest(".menu")) all(".menu[open]").forEach((menu) => { menu.open = false })
  if (!button) return
  const { open, dismiss, close, hide, copy } = button.dataset
  if ("themeSwitch" in button.dataset) switchTheme()
  if (open) { one(open).showModal(); button.closest(".menu")?.removeAttribute("open") }
  if (close !== undefined) button.closest("dialog").close()
  if (hide !== undefined) { button.parentElement.hidden = true; button.parentElement.dataset.hidden = "" }
  if (dismiss !== undefined) button.closest(".toast").remove()
  if (copy) copied(one(copy))
})

/** Where the page may not write to the clipboard, what is to be copied is at least selected. */
function copied(field) {
  field.select()
  navigator.clipboard?.writeText(field.value).then(() => notice("Copied."))
}

function switchTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches
  root.dataset.theme = (root.dataset.theme ?? (dark ? "dark" : "light")) === "dark" ? "light" : "dark"
  remember("theme", root.dataset.theme)
}

addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    const menu = one(".menu[open]")
    if (menu) { menu.open = false; one("summary", menu).focus() }
  }
  if (typing(event.target) || event.ctrlKey || event.metaKey || event.altKey || !keysOn()) return
  if (event.key === "/" && one(".find input")) { event.preventDefault(); find().focus() }
  if (event.key === "?" && one("#keys")) one("#keys").showModal()
})
// On a small screen the bar's field is hidden: the list of jobs has its own.
const find = () => all(".find input, #q").find((input) => input.checkVisibility?.() ?? true) ?? one(".find input")

const keys = one("[data-keys-switch]")
if (keys) {
  keys.checked = keysOn()
  keys.addEventListener("change", () => remember("keys", keys.checked ? "on" : "off"))
}

// ---- forms

// What is wrong in a folded part is unfolded, so that the browser can say it there.
addEventListener("invalid", (event) => { event.target.closest("details")?.setAttribute("open", "") }, true)

addEventListener("submit", async (event) => {
  const form = event.target, button = event.submitter
  const asked = button?.dataset.ask ? button.dataset : form.dataset
  if (asked.ask && !form.agreed) {
    event.preventDefault()
    if (!await ask(asked)) return
    form.agreed = true
    form.requestSubmit(button)
    form.agreed = false
    return
  }
  if (!("act" in form.dataset) || !button) return
  event.preventDefault()
  const values = new FormData(form, button)
  values.delete("next")
  const { optimistic, removes } = button.dataset
  const gone = removes && one(removes)
  const back = optimistic ? foresee(values.getAll("upload"), optimistic) : () => {}
  if (gone) { gone.hidden = true; one("#main").focus({ preventScroll: true }) }
  button.disabled = true
  await act(button.getAttribute("formaction") ?? form.action, values, {
    foreseen: () => { back(); if (gone) gone.hidden = false },
  })
  button.disabled = false
})

addEventListener("change", (event) => { if ("submit" in event.target.dataset) event.target.form.requestSubmit() })

// ---- notices

document.body.addEventListener("notice", (event) => {
  const { text, undo } = event.detail
  notice(text, { action: undo ? undoButton(undo, bringBack) : null })
})
function bringBack() {
  const rows = all(".job[hidden]")
  rows.forEach((row) => { row.hidden = false })
  if (!rows.length && one(".jobs, #jobs-empty")) location.reload()
}
all("#toasts .toast").forEach((toast) => {
  toast.dataset.stays = one(".button:not([data-dismiss])", toast) ? "yes" : ""
  tend(toast)
})

// ---- rows of the list of jobs

// A row that is read anew keeps its pictures: nothing flickers.
addEventListener("htmx:oobBeforeSwap", ({ detail }) => {
  const fresh = detail.fragment.firstElementChild
  if (!fresh?.matches(".job")) return
  fresh.hidden = detail.target.hidden
  for (const picture of all("img", fresh)) {
    const shown = all("img", detail.target).find((other) => other.getAttribute("src") === picture.getAttribute("src"))
    if (shown) picture.replaceWith(shown)
  }
})
addEventListener("htmx:responseError", ({ detail }) => {
  if (detail.elt.matches?.(".job") && detail.xhr.status === 404) detail.elt.remove()
})

// A picture that did not come, as the storage was away, is asked for again: after 3 s, 6 s, 12 s, … (One that a person
// is about to send, a blob:, will never be another.)
const TRIES = 6, SOON = 3000
function askAgain(picture) {
  const tries = Number(picture.dataset.tries ?? 0)
  if (tries >= TRIES || picture.src.startsWith("blob:")) return
  picture.dataset.tries = tries + 1
  setTimeout(() => { picture.src = picture.getAttribute("src") }, SOON * 2 ** tries)
}
addEventListener("error", ({ target }) => { if (target.localName === "img") askAgain(target) }, true)
all("img[src]").filter((picture) => picture.complete && !picture.naturalWidth).forEach(askAgain)
