{{/* Names, labels and the values that several objects must agree on. */}}

{{- define "socketfleet.fullname" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "socketfleet.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: socketfleet
{{ include "socketfleet.instanceLabels" . }}
{{- end -}}

{{- define "socketfleet.instanceLabels" -}}
app.kubernetes.io/name: socketfleet
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* The pods of the fleet. Bundled Redis and the test pod carry another component. */}}
{{- define "socketfleet.selectorLabels" -}}
{{ include "socketfleet.instanceLabels" . }}
app.kubernetes.io/component: fleet
{{- end -}}

{{- define "socketfleet.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "socketfleet.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "socketfleet.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{/* Namespace and release together, so that two releases that share one Redis stay two fleets. At most 40 characters. */}}
{{- define "socketfleet.fleet" -}}
{{- $name := printf "%s-%s" .Release.Namespace (include "socketfleet.fullname" .) -}}
{{- if gt (len $name) 40 -}}
{{- $name = printf "%s-%s" ($name | trunc 31 | trimSuffix "-") ($name | sha256sum | trunc 8) -}}
{{- end -}}
{{- .Values.config.fleet | default $name -}}
{{- end -}}

{{- define "socketfleet.fleetKeySecret" -}}
{{- .Values.fleetKey.existingSecret | default (printf "%s-fleet-key" (include "socketfleet.fullname" .)) -}}
{{- end -}}

{{- define "socketfleet.redisSecret" -}}
{{- .Values.redis.bundled.existingSecret | default (printf "%s-redis" (include "socketfleet.fullname" .)) -}}
{{- end -}}

{{- define "socketfleet.apiSecret" -}}
{{- .Values.api.existingSecret | default (printf "%s-api" (include "socketfleet.fullname" .)) -}}
{{- end -}}

{{/* "true" or "": whether a proxy that speaks HTTP stands in front. */}}
{{- define "socketfleet.behindProxy" -}}
{{- if or .Values.ingress.enabled .Values.httpRoute.enabled }}true{{ end -}}
{{- end -}}

{{/* "true" or "": the pod itself waits after it failed readiness; otherwise a preStop sleep waits. */}}
{{- define "socketfleet.failReadinessFirst" -}}
{{- $asked := toString .Values.drain.failReadinessFirst -}}
{{- if eq $asked "auto" -}}
{{- if eq .Values.ingress.controller "traefik" }}true{{ end -}}
{{- else if eq $asked "true" -}}true{{- end -}}
{{- end -}}

{{/* Seconds from the first sign to the last cut connection. */}}
{{- define "socketfleet.drainSeconds" -}}
{{- add .Values.drain.delaySeconds .Values.drain.spreadSeconds .Values.drain.marginSeconds -}}
{{- end -}}

{{/* Five seconds above the drain, so that the process ends by itself and says how. */}}
{{- define "socketfleet.graceSeconds" -}}
{{- add (include "socketfleet.drainSeconds" . | int) 5 -}}
{{- end -}}

{{/* Restricted Pod Security, for every container of the chart. */}}
{{- define "socketfleet.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{- define "socketfleet.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{/* The affinity cookie is Secure when TLS is in front, and when SameSite=None asks for it. */}}
{{- define "socketfleet.cookieSecure" -}}
{{- if or .Values.ingress.tls (eq .Values.ingress.affinity.sameSite "None") }}true{{ end -}}
{{- end -}}
