const { PHOTO_API = "http://127.0.0.1:8000", PHOTO_TOKEN } = process.env

// POST /photo-token: a token for one visitor, who sees nothing but the own photos, for an hour. Here is the place to
// ask whether this visitor may send photos at all.
export async function token(request, response) {
  const { status, body } = await ask().catch(() => ({ status: 502, body: { detail: `${PHOTO_API} does not answer.` } }))
  response.writeHead(status, { "Content-Type": "application/json", "Cache-Control": "no-store" })
  response.end(JSON.stringify(body))
}

async function ask() {
  const answer = await fetch(`${PHOTO_API}/api/v1/tokens`, {
    method: "POST",
    headers: { Authorization: `Bearer ${PHOTO_TOKEN}`, "Content-Type": "application/json" },
    body: JSON.stringify({ name: "Visitor", scopes: ["read", "write"], expires_in: 3600 }),
  })
  const { token, detail } = await answer.json()
  return answer.ok ? { status: 200, body: { api: PHOTO_API, token } } : { status: 502, body: { detail } }
}
