// The options of a job: presets fill them in place, a background goes up when it is chosen, a preset is saved.
import { act, alarm, all, ask, detailOf, element, one, post } from "./page.js"

const form = one("[data-background]"), keep = one("#preset-name"), home = form.getAttribute("action")
/** Done when no background is on its way up: a job waits for it. */
export let ready = Promise.resolve()

// ---- presets

/** The options of the page at this address. Throws where there are none to be had. */
async function read(address) {
  const answer = await fetch(address, { headers: { Accept: "text/html" } })
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("#options")
  if (!fresh) throw new Error("signed out")
  return document.adoptNode(fresh)
}

/** Puts the options as the preset fills them in the place of those here; the files stay. */
async function open(address) {
  const folds = all("#options details").map(({ open }) => open)
  const focused = document.activeElement.getAttribute("href") ?? document.activeElement.name
  try {
    one("#options").replaceWith(await read(address))
  } catch {
    location.assign(address)
    return
  }
  all("#options details").forEach((fold, i) => { fold.open ||= folds[i] })
  prepare()
  all("[data-preset]").find((one) => (one.getAttribute("href") ?? one.name) === focused)?.focus()
}
form.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-preset]")
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return
  event.preventDefault()
  open(link.getAttribute("href"))
})

// ---- what is chosen, in words

const valueOf = (control) => (control.type === "checkbox" ? String(control.checked) : control.value.trim())
function said(control) {
  const words = JSON.parse(control.dataset.said), value = valueOf(control)
  return words[value] ?? words[""]?.replace("{}", value)
}
function summarise() {
  const changed = all("#more [data-said]").filter((control) => valueOf(control) !== control.dataset.standard)
  one("[data-more-said]").textContent = changed.map(said).filter(Boolean).join(", ") || "as usual"
  one("[data-model-said]").textContent = form.elements.model.value
}

form.addEventListener("change", ({ target }) => {
  if (target.matches("select[data-preset]")) { open(`${home}?preset=${target.value || "cutout"}`); return }
  if (target.id === "background-image") { addBackground(target.files[0]); target.value = ""; return }
  if (target.matches("[data-pick-colour]")) one("#background-colour").value = target.value
  if (target.value === "colour" && target.name === "background") one("#background-colour").focus()
  if (!target.closest("#options")) return
  one(`#id_${target.name}_error`)?.remove()
  target.removeAttribute("aria-invalid")
  all("a[data-preset]").forEach((link) => link.removeAttribute("aria-current"))
  summarise()
})

/** Says at each field what the server found wrong with it, and unfolds it. */
export function sayWrong(fields = {}) {
  for (const [name, sentence] of Object.entries(fields)) {
    const control = one(`#id_${name}`), id = `id_${name}_error`
    one(`#${id}`)?.remove()
    control.setAttribute("aria-invalid", "true")
    control.setAttribute("aria-describedby", `id_${name}_helptext ${id}`)
    const said = element("ul", { className: "errorlist", id }, element("li", { textContent: sentence }))
    if (name === "background") one("#background-problem").replaceChildren(said)
    else control.after(said)
    control.closest("details")?.setAttribute("open", "")
    control.scrollIntoView({ block: "nearest" })
  }
}

// ---- backgrounds

function addBackground(file) {
  if (!file) return
  const data = new FormData()
  data.append("background_image", file)
  ready = ready.then(async () => {
    const problem = one("#background-problem")
    try {
      const answer = await post(form.dataset.background, data)
      if (answer.status !== 201) { problem.replaceChildren(problemOf(await detailOf(answer))); return }
      const swatch = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("label")
      const { value } = swatch.firstElementChild
      all('[name="background"]').find((other) => other.value === value)?.parentElement.remove()
      problem.replaceChildren()
      one(".own").before(swatch)
      swatch.firstElementChild.dispatchEvent(new Event("change", { bubbles: true }))
    } catch {
      problem.replaceChildren(problemOf("The server does not answer. Choose the image again."))
    }
  })
}
const problemOf = (text) => element("p", { className: "errorlist", role: "alert", textContent: text })

// ---- saving a preset

one("#save-preset")?.addEventListener("click", async (event) => {
  event.preventDefault()
  await ready
  const name = keep.value.trim(), values = new FormData(form)
  for (const field of ["files", "background_image", "key", "csrfmiddlewaretoken"]) values.delete(field)
  if (!name) { alarm("A preset needs a name."); keep.focus(); return }
  const own = all("option[data-own]").find(({ dataset }) => dataset.own === name)
  if (own && !await ask({ ask: `Replace ${name}?`, askText: "You have a preset of that name. It cannot be brought back.", askYes: "Replace it" })) return
  values.set("replace", own ? name : "")
  if (!await act(event.target.getAttribute("formaction"), values)) return
  keep.value = ""
  const saved = one(".saved", await read(`${home}?preset=cutout`))
  one(".saved")?.remove()
  one(".choices").after(saved)
  all("option[data-own]", saved).find(({ dataset }) => dataset.own === name).selected = true
})
keep?.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); one("#save-preset").click() } })

function prepare() {
  one("#background-image").classList.add("sr")
  one("#background-image").tabIndex = -1
  summarise()
}
prepare()
