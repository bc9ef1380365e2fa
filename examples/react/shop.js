const { PHOTO_API = "http://127.0.0.1:8000", PHOTO_TOKEN } = process.env

// POST /photo-token: a token for one visitor, who sees nothing but the own photos, for an hour. Here is the place to
// ask whether this visitor may send photos at all.
export async function token(request, response) {
  const answer = await fetch(`${PHOTO_API}/api/v1/tokens`, {
    method: "POST",
    headers: { Authorization: `Bearer ${PHOTO_TOKEN}`, "Content-Type": "application/json" },
    body: JSON.stringify({ name: "Visitor", scopes: ["read", "write"], expires_in: 3600 }),
  })
  const { token, detail } = await answer.json()
  response.writeHead(answer.ok ? 200 : 502, { "Content-Type": "application/json", "Cache-Control": "no-store" })
  response.end(JSON.stringify(answer.ok ? { api: PHOTO_API, token } : { detail }))
}
