{{- define "operator.fullname" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "operator.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: socketfleet
{{ include "operator.selectorLabels" . }}
{{- end -}}

{{- define "operator.selectorLabels" -}}
app.kubernetes.io/name: socketfleet-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "operator.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "operator.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "operator.fullname" .) -}}
{{- end -}}

{{- define "operator.metricsService" -}}
{{- include "operator.fullname" . }}-metrics
{{- end -}}

{{/*
A cluster has one source of custom metrics. Of several versions the autoscaler takes the newest: ours beside the older one of another source would
take over all that asks it.
*/}}
{{- define "operator.refuseOtherMetrics" -}}
{{- range list "v1beta1" "v1beta2" -}}
{{- $name := printf "%s.custom.metrics.k8s.io" . -}}
{{- with lookup "apiregistration.k8s.io/v1" "APIService" "" $name -}}
{{- $annotations := .metadata.annotations | default dict -}}
{{- $owner := printf "%s/%s" (index $annotations "meta.helm.sh/release-namespace" | default "") (index $annotations "meta.helm.sh/release-name" | default "") -}}
{{- if ne $owner (printf "%s/%s" $.Release.Namespace $.Release.Name) -}}
{{- $service := .spec.service | default dict -}}
{{- fail (printf "customMetrics.enabled: the APIService %s is there already and leads to %s/%s. A cluster has one source of custom metrics: use that one, or remove it first" $name ($service.namespace | default "") ($service.name | default "the API server itself")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
