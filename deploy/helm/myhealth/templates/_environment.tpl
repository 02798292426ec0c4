{{- /* The settings of each component and their sources: only what it needs. */ -}}

{{- define "myhealth.chartMakesSecret" -}}
{{- if or .Values.secrets.values .Values.secrets.externalSecret.remoteKey -}}yes{{- end -}}
{{- end }}

{{- /* The migration runs before the release's Secret exists, so it has its own. */ -}}
{{- define "myhealth.secretName" -}}
{{- $root := index . 0 -}}
{{- if include "myhealth.chartMakesSecret" $root -}}
{{ include "myhealth.fullname" $root }}{{ if eq (index . 1) "migrations" }}-migrations{{ end }}
{{- else -}}
{{ $root.Values.secrets.existingSecret }}
{{- end -}}
{{- end }}

{{- define "myhealth.metricsTokenSecret" -}}
{{- with .Values.metrics.token -}}
{{- if and .enabled .secret -}}
{{ .secret }}
{{- else if .enabled -}}
{{ include "myhealth.fullname" $ }}{{ if not $.Values.secrets.values.METRICS_TOKEN }}-metrics{{ end }}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "myhealth.requiredKeys" -}}
{{- $root := index . 0 }}
{{- $connections := list "OURA_CLIENT_ID" "OURA_CLIENT_SECRET" "TOKEN_ENCRYPTION_KEYS" }}
{{- $keys := dict
  "api" (list "SECRET_KEY" "JWT_SECRET" "DB_PASSWORD" "CONTROL_TOKENS")
  "processor" (list "SECRET_KEY" "DB_PASSWORD" "INGEST_TOKENS" "CONTROL_TOKENS")
  "collector" (list "INGEST_TOKENS" "OURA_API_KEY")
  "migrations" (list "DB_PASSWORD") }}
{{- if $root.Values.oura.connections }}
{{- $_ := set $keys "api" (concat $keys.api $connections) }}
{{- $_ := set $keys "collector" (concat (list "INGEST_TOKENS" "DB_PASSWORD") $connections) }}
{{- end }}
{{- get $keys (index . 1) | toJson }}
{{- end }}

{{- define "myhealth.optionalKeys" -}}
{{- $root := index . 0 }}
{{- $keys := dict
  "api" (list "SECRET_KEY_FALLBACKS" "EMAIL_URL" "OURA_PROXY")
  "processor" list
  "collector" ($root.Values.oura.connections | ternary (list "OURA_PROXY" "OURA_API_KEY") (list "OURA_PROXY"))
  "migrations" list }}
{{- concat (get $keys (index . 1)) (index $root.Values (index . 1)).secretKeys | toJson }}
{{- end }}

{{- define "myhealth.secretEnv" -}}
{{- $root := index . 0 }}
{{- $component := index . 1 }}
{{- if $root.Values.secrets.aws.secretId }}
- {name: AWS_SECRETS_ID, value: {{ $root.Values.secrets.aws.secretId | quote }}}
{{- with $root.Values.secrets.aws.region }}
- {name: AWS_DEFAULT_REGION, value: {{ . | quote }}}
{{- end }}
{{- else }}
{{- $name := include "myhealth.secretName" . }}
{{- range include "myhealth.requiredKeys" . | fromJsonArray }}
- {name: {{ . }}, valueFrom: {secretKeyRef: {name: {{ $name }}, key: {{ . }}}}}
{{- end }}
{{- range include "myhealth.optionalKeys" . | fromJsonArray }}
- {name: {{ . }}, valueFrom: {secretKeyRef: {name: {{ $name }}, key: {{ . }}, optional: true}}}
{{- end }}
{{- end }}
{{- with include "myhealth.metricsTokenSecret" $root }}
{{- if has $component (list "api" "processor") }}
- {name: METRICS_TOKEN, valueFrom: {secretKeyRef: {name: {{ . }}, key: METRICS_TOKEN}}}
{{- end }}
{{- end }}
{{- end }}

{{- define "myhealth.databaseEnv" -}}
{{- $component := index . 1 }}
{{- with (index . 0).Values.database }}
- {name: DB_HOST, value: {{ .host | quote }}}
- {name: DB_PORT, value: {{ .port | quote }}}
- {name: DB_NAME, value: {{ .name | quote }}}
- {name: DB_USER, value: {{ .user | quote }}}
- {name: DB_SSLMODE, value: {{ .sslMode | quote }}}
{{- if or .ca.configMap .ca.secret }}
- {name: DB_SSLROOTCERT, value: /etc/myhealth/database/{{ .ca.key }}}
{{- end }}
{{- if and .replicaHost (eq $component "api") }}
- {name: DB_REPLICA_HOST, value: {{ .replicaHost | quote }}}
{{- end }}
{{- end }}
{{- end }}

{{- define "myhealth.allowedHosts" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- $hosts := list (include "myhealth.host" $root) -}}
{{- if eq $component "processor" -}}
{{- $name := printf "%s-processor" (include "myhealth.fullname" $root) -}}
{{- $namespaced := printf "%s.%s" $name $root.Release.Namespace -}}
{{- $hosts = list $name $namespaced (printf "%s.svc" $namespaced) (printf "%s.svc.cluster.local" $namespaced) -}}
{{- end -}}
{{ concat $hosts (index $root.Values $component).allowedHosts | join "," }}
{{- end }}

{{- define "myhealth.trustedProxies" -}}
{{- /* A sidecar forwards requests from this address, and accepts them only from the mesh. */ -}}
{{ concat .Values.api.trustedProxies (.Values.istio.enabled | ternary (list "127.0.0.6/32") list) | join "," }}
{{- end }}

{{- define "myhealth.processorScheme" -}}
{{ empty .Values.processor.tls.secretName | ternary "http" "https" }}
{{- end }}

{{- define "myhealth.processorUrl" -}}
{{ include "myhealth.processorScheme" . }}://{{ include "myhealth.fullname" . }}-processor:8001
{{- end }}

{{- define "myhealth.ownEnv" -}}
{{- $root := index . 0 }}
{{- $component := index . 1 }}
{{- if has $component (list "api" "processor") }}
{{- with index $root.Values $component }}
- {name: SERVICE, value: {{ $component }}}
- {name: WORKERS, value: {{ .workers | quote }}}
- {name: THREADS, value: {{ .threads | quote }}}
- {name: ALLOWED_HOSTS, value: {{ include "myhealth.allowedHosts" (list $root $component) | quote }}}
{{- end }}
{{- end }}
{{- if has $component (list "api" "collector") }}
{{- with $root.Values.oura.ca }}
{{- if .configMap }}
- {name: OURA_CA_BUNDLE, value: /etc/myhealth/oura/{{ .key }}}
{{- end }}
{{- end }}
- {name: PROCESSOR_URL, value: {{ include "myhealth.processorUrl" $root | quote }}}
{{- if $root.Values.processor.tls.secretName }}
- {name: PROCESSOR_CA_BUNDLE, value: /etc/myhealth/processor/ca.crt}
{{- end }}
{{- end }}
{{- if and (eq $component "processor") $root.Values.processor.tls.secretName }}
- {name: GRANIAN_SSL_CERTIFICATE, value: /etc/myhealth/processor/tls.crt}
- {name: GRANIAN_SSL_KEYFILE, value: /etc/myhealth/processor/tls.key}
{{- end }}
{{- if eq $component "api" }}
- {name: PUBLIC_URL, value: {{ $root.Values.publicUrl | trimSuffix "/" | quote }}}
{{- with $root.Values.collector }}
- {name: COLLECT_SCHEDULE, value: {{ .enabled | ternary (printf "CRON_TZ=%s %s" .timeZone .schedule) "elsewhere" | quote }}}
{{- end }}
- {name: TRUSTED_PROXIES, value: {{ include "myhealth.trustedProxies" $root | quote }}}
{{- end }}
{{- if eq $component "collector" }}
{{- with $root.Values.collector.pushgatewayUrl }}
- {name: PUSHGATEWAY_URL, value: {{ . | quote }}}
{{- end }}
{{- end }}
{{- if or (ne $component "collector") $root.Values.oura.connections }}
{{- include "myhealth.databaseEnv" . }}
{{- end }}
{{- /* The release's ConfigMap does not exist yet when the migration runs. */ -}}
{{- if eq $component "migrations" }}
{{- range $name, $value := $root.Values.settings }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}
{{- end }}
