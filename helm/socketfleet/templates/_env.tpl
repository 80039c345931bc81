{{/* Values -> environment of the pod. Names follow src/config/schema.ts: SOCKETFLEET_ and the key in upper snake case. */}}

{{- define "socketfleet.envName" -}}
SOCKETFLEET_{{ regexReplaceAll "([A-Z])" . "_${1}" | upper }}
{{- end -}}

{{/* Helm reads numbers as floats: 1000000 would print as 1e+06. */}}
{{- define "socketfleet.envValue" -}}
{{- if kindIs "float64" . }}{{ printf "%.0f" . | quote }}
{{- else if kindIs "slice" . }}{{ join "," . | quote }}
{{- else }}{{ toString . | quote }}
{{- end }}
{{- end -}}

{{- define "socketfleet.addressSource" -}}
{{- if .Values.config.addressSource }}{{ .Values.config.addressSource }}
{{- else if .Values.service.proxyProtocol }}proxy-protocol
{{- else if include "socketfleet.behindProxy" . }}x-forwarded-for
{{- else }}socket
{{- end }}
{{- end -}}

{{- define "socketfleet.appPath" -}}
{{- if .Values.app.path }}{{ .Values.app.path }}
{{- else if .Values.app.files }}/app/{{ keys .Values.app.files | sortAlpha | first }}
{{- end }}
{{- end -}}

{{/* What a process needs to reach this fleet's Redis: the pods and the test pod. */}}
{{- define "socketfleet.redisEnv" -}}
- name: SOCKETFLEET_FLEET
  value: {{ include "socketfleet.fleet" . | quote }}
{{- if ne .Values.redis.source "none" }}
- name: SOCKETFLEET_FLEET_KEY
  valueFrom: { secretKeyRef: { name: {{ include "socketfleet.fleetKeySecret" . }}, key: current } }
- name: SOCKETFLEET_FLEET_KEY_PREVIOUS
  valueFrom: { secretKeyRef: { name: {{ include "socketfleet.fleetKeySecret" . }}, key: previous, optional: true } }
{{- end }}
{{- if eq .Values.redis.source "bundled" }}
- name: SOCKETFLEET_REDIS_URL
  value: redis://{{ include "socketfleet.fullname" . }}-redis:6379
- name: SOCKETFLEET_REDIS_PASSWORD
  valueFrom: { secretKeyRef: { name: {{ include "socketfleet.redisSecret" . }}, key: redis-password } }
{{- else if eq .Values.redis.source "external" }}
{{- include "socketfleet.externalRedisEnv" . }}
{{- end }}
{{- end -}}

{{- define "socketfleet.externalRedisEnv" -}}
{{- $secret := .Values.redis.existingSecret }}
- name: SOCKETFLEET_REDIS_URL
{{- if $secret.urlKey }}
  valueFrom: { secretKeyRef: { name: {{ $secret.name }}, key: {{ $secret.urlKey }} } }
{{- else }}
  value: {{ .Values.redis.url | quote }}
{{- end }}
{{- if $secret.passwordKey }}
- name: SOCKETFLEET_REDIS_PASSWORD
  valueFrom: { secretKeyRef: { name: {{ $secret.name }}, key: {{ $secret.passwordKey }} } }
{{- end }}
- name: SOCKETFLEET_REDIS_MODE
  value: {{ .Values.redis.mode }}
{{- if eq .Values.redis.mode "sentinel" }}
- name: SOCKETFLEET_REDIS_SENTINEL_NAME
  value: {{ .Values.redis.sentinelName | quote }}
{{- end }}
{{- with .Values.redis.username }}
- name: SOCKETFLEET_REDIS_USERNAME
  value: {{ . | quote }}
{{- end }}
{{- if .Values.redis.tls.caConfigMap }}
- name: SOCKETFLEET_REDIS_TLS_CA_FILE
  value: /etc/socketfleet/redis-ca/{{ .Values.redis.tls.caKey }}
{{- end }}
{{- end -}}

{{/* With failReadinessFirst the pod's own deadline covers the wait; without it the preStop sleep has already spent it. */}}
{{- define "socketfleet.drainEnv" -}}
{{- $first := include "socketfleet.failReadinessFirst" . }}
{{- $delay := ternary (int .Values.drain.delaySeconds) 0 (eq $first "true") }}
- name: SOCKETFLEET_DRAIN_DELAY_MS
  value: {{ mul $delay 1000 | quote }}
- name: SOCKETFLEET_DRAIN_SPREAD_MS
  value: {{ mul (int .Values.drain.spreadSeconds) 1000 | quote }}
- name: SOCKETFLEET_DRAIN_TIMEOUT_MS
  value: {{ mul (add $delay (int .Values.drain.spreadSeconds) (int .Values.drain.marginSeconds)) 1000 | quote }}
{{- end -}}

{{- define "socketfleet.env" -}}
{{ include "socketfleet.redisEnv" . }}
- name: SOCKETFLEET_ADVERTISE_HOST
  valueFrom: { fieldRef: { fieldPath: status.podIP } }
- name: SOCKETFLEET_ADDRESS_SOURCE
  value: {{ include "socketfleet.addressSource" . }}
{{- with include "socketfleet.appPath" . }}
- name: SOCKETFLEET_APP
  value: {{ . | quote }}
{{- end }}
{{- if eq .Values.redis.source "none" }}
- name: SOCKETFLEET_RECOVERY
  value: "false"
{{- end }}
{{- include "socketfleet.drainEnv" . }}
{{- if .Values.api.enabled }}
- name: SOCKETFLEET_API_TOKENS
  valueFrom: { secretKeyRef: { name: {{ include "socketfleet.apiSecret" . }}, key: tokens } }
{{- end }}
{{- with .Values.admin.existingSecret }}
- name: SOCKETFLEET_ADMIN_TOKEN
  valueFrom: { secretKeyRef: { name: {{ . }}, key: token } }
{{- end }}
{{- range $key, $value := omit .Values.config "fleet" "addressSource" }}
{{- if not (and (eq $key "recovery") (eq $.Values.redis.source "none")) }}
- name: {{ include "socketfleet.envName" $key }}
  value: {{ include "socketfleet.envValue" $value }}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}
