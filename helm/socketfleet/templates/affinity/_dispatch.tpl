{{/*
One file per controller, each with the same three templates: className, serviceAnnotations, ingressAnnotations (YAML maps, may be
empty), and the controller's own objects if it has any. `ingress.affinity.mode` is cookie, source or none.
*/}}

{{- define "socketfleet.controller.className" -}}
{{- .Values.ingress.className | default (include (printf "socketfleet.%s.className" .Values.ingress.controller) .) -}}
{{- end -}}

{{- define "socketfleet.controller.serviceAnnotations" -}}
{{- if include "socketfleet.behindProxy" . }}{{ include (printf "socketfleet.%s.serviceAnnotations" .Values.ingress.controller) . }}{{ end -}}
{{- end -}}

{{- define "socketfleet.controller.ingressAnnotations" -}}
{{- include (printf "socketfleet.%s.ingressAnnotations" .Values.ingress.controller) . -}}
{{- end -}}

{{/* Balancers that always want a lifetime get a day. */}}
{{- define "socketfleet.affinityDay" -}}
{{- .Values.ingress.affinity.maxAgeSeconds | default 86400 | int -}}
{{- end -}}
