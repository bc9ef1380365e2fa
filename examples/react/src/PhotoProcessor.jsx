import { useEffect, useRef } from "react"

// What is not named here becomes an attribute of the element: multiple, options, timeout, remove-bg, size, …
// (write "true" and "false" as words).
export function PhotoProcessor({ api, onStart, onProgress, onDone, onError, onToken, ...attributes }) {
  const element = useRef(null), handlers = useRef({})
  handlers.current = { start: onStart, progress: onProgress, done: onDone, error: onError, token: onToken }

  useEffect(() => {
    const here = element.current
    const hear = ({ type, detail }) => handlers.current[type.split(":")[1]]?.(detail)
    const types = Object.keys(handlers.current).map((name) => `photo-processor:${name}`)
    types.forEach((type) => here.addEventListener(type, hear))
    import(/* @vite-ignore */ `${api}/static/js/photo-processor.js`).catch(() => handlers.current.error?.({ code: "unreachable", message: `${api} does not answer.` }))
    return () => types.forEach((type) => here.removeEventListener(type, hear))
  }, [api])

  return <photo-processor ref={element} api={api} {...attributes} />
}
