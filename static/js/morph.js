// Makes an element like a newer one, in place: nodes that stay keep their focus, their selection and their picture.

export function morph(old, fresh) {
  if (old.isEqualNode(fresh)) return
  if (old.nodeType !== Node.ELEMENT_NODE) { old.data = fresh.data; return }
  attributes(old, fresh)
  let at = old.firstChild
  for (const child of [...fresh.childNodes]) {
    let match = at
    while (match && !same(match, child)) match = match.nextSibling
    if (!match) { old.insertBefore(document.importNode(child, true), at); continue }
    if (match === at) at = at.nextSibling
    else old.insertBefore(match, at)
    morph(match, child)
  }
  while (at) { const gone = at; at = at.nextSibling; if (gone.contains(document.activeElement)) stay(old); gone.remove() }
}

/** Who stood on what goes stands on what is left of it, and not at the top of the page. */
function stay(left) {
  const home = left.closest("[id]")
  home.tabIndex = -1
  home.focus({ preventScroll: true })
}

function same(a, b) {
  if (a.nodeName !== b.nodeName || a.id !== b.id) return false
  return a.nodeType !== Node.ELEMENT_NODE || a.id || a.getAttribute("class") === b.getAttribute("class")
}

// What the reader or a script of ours changed on the page is not the server's to take back.
const KEPT = new Set(["open", "tabindex", "style", "aria-posinset", "aria-setsize"])

function attributes(old, fresh) {
  if (old.matches("input[type=range]")) return
  for (const { name, value } of [...fresh.attributes]) if (old.getAttribute(name) !== value) old.setAttribute(name, value)
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && !KEPT.has(name)) old.removeAttribute(name)
}
