// Emits "report-ready" to the room "managers". Standard library only.
//
// EMIT_URL: the API of the fleet; EMIT_TOKEN: a bearer token; argument: the report.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"
)

const attempts = 5

type message struct {
	Event          string   `json:"event"`
	Args           []any    `json:"args,omitempty"`
	Rooms          []string `json:"rooms,omitempty"`
	IdempotencyKey string   `json:"idempotencyKey,omitempty"`
}

// answer is a receipt, or a problem (RFC 9457).
type answer struct {
	ID     string `json:"id"`
	Detail string `json:"detail"`
}

var client = &http.Client{Timeout: 10 * time.Second}

// emit returns the id of the stream entry. It repeats what may be repeated: the idempotency key makes that safe.
func emit(m message) (string, error) {
	body, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	for attempt := 0; attempt < attempts; attempt++ {
		if attempt > 0 {
			time.Sleep(time.Second << attempt)
		}
		status, got, err := post(body)
		switch {
		case err != nil, status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
			continue
		case status != http.StatusAccepted:
			return "", errors.New(got.Detail)
		}
		return got.ID, nil
	}
	return "", fmt.Errorf("no success in %d attempts", attempts)
}

func post(body []byte) (int, answer, error) {
	var got answer
	request, err := http.NewRequest(http.MethodPost, os.Getenv("EMIT_URL")+"/emit", bytes.NewReader(body))
	if err != nil {
		return 0, got, err
	}
	request.Header.Set("Authorization", "Bearer "+os.Getenv("EMIT_TOKEN"))
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return 0, got, err
	}
	defer response.Body.Close()
	return response.StatusCode, got, json.NewDecoder(response.Body).Decode(&got)
}

func main() {
	report := os.Args[1]
	id, err := emit(message{Event: "report-ready", Args: []any{report}, Rooms: []string{"managers"}, IdempotencyKey: "report-" + report})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(id)
}
