#!/usr/bin/env bash
# With curl alone: sh-friendly, no parser of JSON. PHOTO_URL and PHOTO_TOKEN say where and who.
#   examples/send.sh shoe.jpg cup.jpg     → cut-out.png of the first, and results.zip of all
set -euo pipefail
url=${PHOTO_URL:-http://127.0.0.1:8000}
curl=(curl --silent --show-error --fail-with-body --header "Authorization: Bearer $PHOTO_TOKEN")

# One photo, and the answer is the picture.
"${curl[@]}" --form image_file=@"$1" --output cut-out.png "$url/v1.0/removebg"
echo cut-out.png

# Many photos: a job, whose address comes back in Location.
files=()
for photo in "$@"; do files+=(--form files=@"$photo"); done
job=$("${curl[@]}" --header "Idempotency-Key: $(date +%s)-$$" "${files[@]}" --output /dev/null --write-out '%header{location}' "$url/api/v1/jobs")
until "${curl[@]}" "$job" | grep -qE '"status": ?"(completed|failed|cancelled)"'; do sleep 1; done
"${curl[@]}" --output results.zip "$job/results.zip"
echo results.zip
