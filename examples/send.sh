#!/usr/bin/env bash
# With curl alone. PHOTO_URL and PHOTO_TOKEN say where and who.
#   examples/send.sh shoe.jpg cup.jpg     → cut-out.png of the first, and results.zip of all
set -euo pipefail
[ $# -gt 0 ] || { echo "Name the photos to send." >&2; exit 2; }
url=${PHOTO_URL:-http://127.0.0.1:8000}
curl=(curl --silent --show-error --fail-with-body --header "Authorization: Bearer ${PHOTO_TOKEN:?is the token}")
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

# What curl was told to do; where it fails, the server's own words go to stderr and nothing is kept.
ask() { "${curl[@]}" --output "$answer" "$@" || { cat "$answer" >&2; echo >&2; exit 1; }; }

# One photo, and the answer is the picture.
ask --form image_file=@"$1" --form size=full "$url/v1.0/removebg"
cp "$answer" cut-out.png
echo cut-out.png

# Many photos: a job, whose address comes back in Location.
files=()
for photo in "$@"; do files+=(--form files=@"$photo"); done
ask --header "Idempotency-Key: $(date +%s)-$$" "${files[@]}" --dump-header "$answer.head" "$url/api/v1/jobs"
job=$(tr -d '\r' < "$answer.head" | sed -n 's/^[Ll]ocation: //p')
rm -f "$answer.head"
until ask "$job" && grep -qE '"status": ?"(completed|failed|cancelled)"' "$answer"; do sleep 1; done
ask "$job/results.zip"
cp "$answer" results.zip
echo results.zip
