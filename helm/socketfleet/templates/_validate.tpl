{{/* What the schema cannot say: values that contradict each other. Each sentence names what to change. */}}
{{- define "socketfleet.validate" -}}
{{- $v := .Values -}}
{{- include "socketfleet.validateRedis" . -}}
{{- include "socketfleet.validateDrain" . -}}
{{- include "socketfleet.validateFront" . -}}
{{- if and $v.pdb.enabled (not (kindIs "invalid" $v.pdb.minAvailable)) (not (kindIs "invalid" $v.pdb.maxUnavailable)) -}}
{{- fail "pdb.minAvailable and pdb.maxUnavailable exclude each other: set one of them to null" -}}
{{- end -}}
{{- if and $v.pdb.enabled (kindIs "invalid" $v.pdb.minAvailable) (kindIs "invalid" $v.pdb.maxUnavailable) -}}
{{- fail "pdb.enabled needs pdb.minAvailable or pdb.maxUnavailable" -}}
{{- end -}}
{{- if and (eq (toString $v.rollout.maxSurge) "0") (eq (toString $v.rollout.maxUnavailable) "0") -}}
{{- fail "rollout.maxSurge and rollout.maxUnavailable are both 0: a roll-out could never move; raise one" -}}
{{- end -}}
{{- if $v.autoscaling.enabled -}}
{{- if gt (int $v.autoscaling.minReplicas) (int $v.autoscaling.maxReplicas) -}}
{{- fail (printf "autoscaling.minReplicas (%d) is above autoscaling.maxReplicas (%d)" (int $v.autoscaling.minReplicas) (int $v.autoscaling.maxReplicas)) -}}
{{- end -}}
{{- $a := $v.autoscaling -}}
{{- if not (or (int $a.targetCpuPercent) (int $a.targetConnections) (int $a.targetEventLoopPercent) $a.metrics) -}}
{{- fail "autoscaling.enabled needs something to scale on: set autoscaling.targetConnections, targetEventLoopPercent, targetCpuPercent or metrics" -}}
{{- end -}}
{{- if and (gt (int $v.autoscaling.targetCpuPercent) 0) (not (dig "requests" "cpu" "" $v.resources)) -}}
{{- fail "autoscaling.targetCpuPercent is a percentage of resources.requests.cpu: set the request, or targetCpuPercent=0" -}}
{{- end -}}
{{- end -}}
{{- if and $v.monitoring.podMonitor.enabled $v.monitoring.serviceMonitor.enabled -}}
{{- fail "monitoring.podMonitor and monitoring.serviceMonitor would scrape every pod twice: enable one" -}}
{{- end -}}
{{- end -}}

{{- define "socketfleet.validateRedis" -}}
{{- $r := .Values.redis -}}
{{- $secret := $r.existingSecret -}}
{{- if eq $r.source "external" -}}
{{- if and (not $r.url) (not $secret.urlKey) -}}
{{- fail "redis.source is external: set redis.url, or redis.existingSecret.name and redis.existingSecret.urlKey" -}}
{{- end -}}
{{- if and $r.url $secret.urlKey -}}
{{- fail "redis.url and redis.existingSecret.urlKey are both set: the URL can come from one of them only" -}}
{{- end -}}
{{- if and (or $secret.urlKey $secret.passwordKey) (not $secret.name) -}}
{{- fail "redis.existingSecret.urlKey and passwordKey are keys of redis.existingSecret.name: set the name" -}}
{{- end -}}
{{- if and (contains "," $r.url) (eq $r.mode "standalone") -}}
{{- fail "redis.url holds several addresses: set redis.mode to sentinel or cluster" -}}
{{- end -}}
{{- if and $r.tls.caConfigMap $r.url (not (hasPrefix "rediss://" $r.url)) -}}
{{- fail "redis.tls.caConfigMap is set but redis.url does not start with rediss://" -}}
{{- end -}}
{{- else if or $r.url $secret.name -}}
{{- fail (printf "redis.url or redis.existingSecret is set but redis.source is %s: set redis.source=external" $r.source) -}}
{{- end -}}
{{- if eq $r.source "none" -}}
{{- if .Values.autoscaling.enabled -}}
{{- fail "autoscaling needs Redis, since several pods exchange messages through it: set redis.source to bundled or external" -}}
{{- end -}}
{{- if gt (int .Values.replicas) 1 -}}
{{- fail (printf "replicas is %d but redis.source is none: several pods exchange messages through Redis; set replicas=1, or redis.source" (int .Values.replicas)) -}}
{{- end -}}
{{- if .Values.api.enabled -}}
{{- fail "api.enabled needs Redis: set redis.source to bundled or external" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "socketfleet.validateDrain" -}}
{{- $d := .Values.drain -}}
{{- if and (include "socketfleet.failReadinessFirst" .) (lt (int $d.delaySeconds) 5) -}}
{{- fail (printf "drain.delaySeconds is %d: a failed readiness probe takes up to 5 seconds to be seen; set at least 5, or drain.failReadinessFirst=false" (int $d.delaySeconds)) -}}
{{- end -}}
{{- end -}}

{{- define "socketfleet.validateFront" -}}
{{- $i := .Values.ingress -}}
{{- $ping := .Values.config.pingIntervalMs | default 25000 | int64 -}}
{{- if and (include "socketfleet.behindProxy" .) (le (mul (int64 $i.idleTimeoutSeconds) 1000) $ping) -}}
{{- fail (printf "ingress.idleTimeoutSeconds (%d) must be above config.pingIntervalMs (%d ms), or quiet sockets are cut between two pings" (int $i.idleTimeoutSeconds) $ping) -}}
{{- end -}}
{{- if and (eq $i.controller "envoy-gateway") $i.enabled -}}
{{- fail "Envoy Gateway serves no Ingress: set ingress.enabled=false and httpRoute.enabled=true" -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (has $i.controller (list "nginx" "alb" "haproxytech" "haproxy-ingress")) -}}
{{- fail (printf "httpRoute is rendered for controller traefik, gke, istio, envoy-gateway or none, not for %s: its affinity is made of annotations that a route does not carry" $i.controller) -}}
{{- end -}}
{{- if and (eq $i.affinity.mode "source") (has $i.controller (list "traefik" "alb")) -}}
{{- fail (printf "%s has no affinity by source address: set ingress.affinity.mode to cookie or none" $i.controller) -}}
{{- end -}}
{{- if and (eq $i.controller "alb") (gt (int $i.idleTimeoutSeconds) 4000) -}}
{{- fail (printf "an ALB's idle timeout is at most 4000 seconds: lower ingress.idleTimeoutSeconds (%d)" (int $i.idleTimeoutSeconds)) -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.enabled needs httpRoute.parentRefs: the Gateway to attach to" -}}
{{- end -}}
{{- if and .Values.httpRoute.sessionPersistence.enabled (not .Values.httpRoute.enabled) -}}
{{- fail "httpRoute.sessionPersistence is part of an HTTPRoute: set httpRoute.enabled=true" -}}
{{- end -}}
{{- if and .Values.service.proxyProtocol (include "socketfleet.behindProxy" .) -}}
{{- fail "service.proxyProtocol is for a load balancer directly in front of the pods; behind an Ingress or HTTPRoute the address comes in X-Forwarded-For" -}}
{{- end -}}
{{- if and (ne (int .Values.service.nodePort) 0) (eq .Values.service.type "ClusterIP") -}}
{{- fail "service.nodePort needs service.type NodePort or LoadBalancer" -}}
{{- end -}}
{{- end -}}
