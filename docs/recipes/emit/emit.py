"""Emits "report-ready" to the room "managers". Standard library only.

EMIT_URL: the API of the fleet; EMIT_TOKEN: a bearer token; argument: the report.
"""
import json
import os
import sys
import time
import urllib.error
import urllib.request

ATTEMPTS = 5


def emit(message: dict) -> dict:
    """Returns the receipt; raises RuntimeError with what the API says. Repeats what may be repeated."""
    request = urllib.request.Request(
        os.environ["EMIT_URL"] + "/emit",
        data=json.dumps(message).encode(),
        headers={"Authorization": "Bearer " + os.environ["EMIT_TOKEN"], "Content-Type": "application/json"},
    )
    for attempt in range(ATTEMPTS):
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            if error.code not in (429, 503):
                raise RuntimeError(json.load(error)["detail"]) from error
            time.sleep(int(error.headers.get("Retry-After", "1")))
        except urllib.error.URLError:
            time.sleep(2**attempt)
    raise RuntimeError(f"no success in {ATTEMPTS} attempts")


if __name__ == "__main__":
    report = sys.argv[1]
    # The idempotency key makes the repeats safe: whatever was lost, the event is written once.
    print(emit({"event": "report-ready", "args": [report], "rooms": ["managers"], "idempotencyKey": f"report-{report}"})["id"])
