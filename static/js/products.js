// Product CSVs before Start: one that is dropped or chosen is sent at once; rows are mended in their place.
import { alarm, all, detailOf, one, say, withoutWorkbooks } from "./page.js"

// ---- sending

const form = one("#csv-form"), input = one("#csv")

if (form) {
  input.classList.add("sr")
  input.addEventListener("change", () => {
    if (withoutWorkbooks([...input.files]).length) form.requestSubmit()
    else input.value = ""
  })
  form.addEventListener("submit", () => {
    form.elements.key.value = "" // another file may be sent from this page when somebody comes back to it
    one("[data-drop-title]").textContent = `Sending ${input.files[0].name}`
  })
  addEventListener("dragover", (event) => { event.preventDefault(); form.classList.add("over") })
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) form.classList.remove("over") })
  addEventListener("drop", (event) => {
    event.preventDefault()
    form.classList.remove("over")
    const { files } = event.dataTransfer
    if (withoutWorkbooks([...files]).length < files.length) return
    if (files.length > 1) { alarm("Drop one product CSV at a time."); return }
    if (!files.length) return
    input.files = files
    form.requestSubmit()
  })
}

// ---- mending

const rowOf = ({ requestConfig }) => one(`#${requestConfig.elt.closest(".problem").id}`)

document.body.addEventListener("htmx:afterRequest", ({ detail }) => {
  const { xhr, pathInfo } = detail, row = rowOf(detail)
  if (!detail.successful) { sayWhy(xhr); return }
  if (new URL(xhr.responseURL).pathname !== pathInfo.requestPath) { alarm("You are signed out. Nothing was changed."); return }
  const wrong = one("[aria-invalid]", row)
  say(`${one(".where b", row).textContent}: ${wrong ? one(".err", row).textContent.trim() : "done"}. ${one("#problems-title").textContent}.`)
  if (wrong) { wrong.focus(); return }
  // Who mends by typing goes on to the next one; any other act stays where it is.
  const typed = "onward" in (detail.requestConfig.triggeringEvent?.submitter?.dataset ?? {})
  const after = all(".problem [aria-invalid]").find((other) => row.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_FOLLOWING)
  ;((typed && after) || one("[id^=act-]", row))?.focus()
})

async function sayWhy({ status, responseText }) {
  alarm(status ? await detailOf(new Response(responseText, { status })) : "The server does not answer. Nothing was changed.")
}
