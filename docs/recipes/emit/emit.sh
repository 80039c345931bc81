#!/bin/sh
# Emits "report-ready" to the room "managers". $EMIT_URL: the API of the fleet; $EMIT_TOKEN: a bearer token; $1: the report.
# The idempotency key makes the retries of curl safe: whatever was lost, the event is written once.
set -eu
report=${1:?usage: emit.sh REPORT}

curl --silent --show-error --fail-with-body --max-time 10 --retry 5 --retry-connrefused \
	--header "Authorization: Bearer $EMIT_TOKEN" \
	--header 'Content-Type: application/json' \
	--data "{\"event\": \"report-ready\", \"args\": [\"$report\"], \"rooms\": [\"managers\"], \"idempotencyKey\": \"report-$report\"}" \
	"$EMIT_URL/emit"
