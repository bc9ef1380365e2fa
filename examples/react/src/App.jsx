import { useCallback, useEffect, useState } from "react"
import { PhotoProcessor } from "./PhotoProcessor.jsx"

export function App() {
  const [access, setAccess] = useState(null)
  const [said, setSaid] = useState("")

  // Also when a token was refused: the next one is put in its place, and the element goes on.
  const renew = useCallback(async () => {
    const answer = await fetch("/photo-token", { method: "POST" })
    const { api, token, detail } = await answer.json()
    if (answer.ok) setAccess({ api, token })
    else setSaid(detail)
  }, [])
  useEffect(() => { renew() }, [renew])

  return (
    <>
      <h1>Photos for your order</h1>
      {access && (
        <PhotoProcessor
          {...access} multiple="true" options="remove-bg crop-face format" background="white"
          onToken={renew}
          onError={({ message }) => setSaid(message)}
          onDone={({ summary, job_id }) => setSaid(`Job ${job_id}: ${summary.successful} of ${summary.total} photos.`)}
        />
      )}
      <p>{said}</p>
    </>
  )
}
