// The page of the API: its document, tried out with a token, or with the session of whoever is signed in.

const root = document.documentElement
const place = document.querySelector("#swagger-ui")
const system = matchMedia("(prefers-color-scheme: dark)")

// Its style sheet goes by a class.
const follow = () => root.classList.toggle("dark-mode", (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark")
follow()
system.addEventListener("change", follow)
new MutationObserver(follow).observe(root, { attributeFilter: ["data-theme"] })

const spec = await (await fetch(place.dataset.document)).json()
spec.servers = [{ url: location.origin }] // by whatever name it was reached: the page may ask no other

SwaggerUIBundle({
  spec,
  domNode: place,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  deepLinking: true,
  requestInterceptor: (request) => {
    request.headers["X-CSRFToken"] = place.dataset.csrf
    return request
  },
})
