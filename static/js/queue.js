// The queue page: the selected photos, previews as dialogs, and a list that is read anew after an act of one's own.
import { morph } from "./morph.js"
import { all, element, number, one } from "./page.js"

const bar = one("#selection-bar"), found = () => one("#found")
const picks = () => all("input[form=selected]", found()), page = () => one("#pick-page")

// ---- selection

let last = null
function show() {
  const list = picks(), picked = list.filter((pick) => pick.checked)
  bar.hidden = !picked.length
  all("[data-count]", bar).forEach((place) => { place.textContent = number(picked.length) })
  if (page()) {
    page().checked = list.length > 0 && picked.length === list.length
    page().indeterminate = picked.length > 0 && picked.length < list.length
  }
}
document.addEventListener("click", ({ target, shiftKey }) => {
  if (target === page()) picks().forEach((pick) => { pick.checked = target.checked })
  else if (target.matches?.("#found input[form=selected]")) {
    const list = picks(), ends = [list.indexOf(last), list.indexOf(target)].sort((a, b) => a - b)
    if (shiftKey && ends[0] >= 0) list.slice(ends[0], ends[1] + 1).forEach((pick) => { pick.checked = target.checked })
    last = target
  } else return
  show()
})
one("[data-clear]", bar).addEventListener("click", () => {
  picks().forEach((pick) => { pick.checked = false })
  show()
  page()?.focus()
})
addEventListener("pageshow", show)

// ---- previews

/** What a link or a form with data-preview would load, as a dialog; as a page where that cannot be. */
async function preview(url, body, otherwise) {
  try {
    const answer = await fetch(url, body && { method: "POST", body })
    const form = answer.ok && one("#preview", new DOMParser().parseFromString(await answer.text(), "text/html"))
    if (!form) return otherwise()
    const dialog = element("dialog", { id: "preview-dialog" }, document.importNode(form, true))
    dialog.setAttribute("aria-labelledby", "preview-title")
    dialog.addEventListener("close", () => dialog.remove())
    document.body.append(dialog)
    dialog.showModal()
  } catch {
    otherwise()
  }
}
document.addEventListener("click", (event) => {
  const { target } = event, link = target.closest?.("a[data-preview]")
  if (target.matches?.("[data-back]") && target.closest("dialog")) { event.preventDefault(); target.closest("dialog").close() }
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return
  event.preventDefault()
  preview(link.href, null, () => location.assign(link.href))
})
document.addEventListener("submit", (event) => {
  const { target: form, submitter } = event
  if (form.id === "preview") setTimeout(() => { submitter.disabled = true }) // once is enough
  if (!submitter?.matches("[data-preview]") || submitter.dataset.asked) return
  event.preventDefault()
  preview(submitter.formAction, new FormData(form, submitter), () => { submitter.dataset.asked = "yes"; form.requestSubmit(submitter) })
})

// ---- the list, after an act that stayed on the page

document.body.addEventListener("notice", async () => {
  one("#queue-menu").open = false // what it did may stand below it
  const answer = await fetch(location.href)
  if (!answer.ok) return
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html")
  for (const id of ["#found", "#queue-steer"]) morph(one(id), one(id, fresh))
  show()
})
