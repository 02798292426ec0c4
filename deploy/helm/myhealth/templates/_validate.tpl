{{- /* Checks that the schema can't express, reported in one message. */ -}}
{{- define "myhealth.validate" -}}
{{- $problems := list -}}
{{- if not .Values.publicUrl -}}
{{- $problems = append $problems "publicUrl must be the address of this service, such as https://health.example.org." -}}
{{- end -}}
{{- if not .Values.database.host -}}
{{- $problems = append $problems "database.host must name the PostgreSQL server." -}}
{{- end -}}
{{- if not .Values.api.trustedProxies -}}
{{- $problems = append $problems "api.trustedProxies must list the ingress controller's addresses as the pods see them, such as [10.0.0.0/8]; otherwise every client seems to have the proxy's address." -}}
{{- end -}}
{{- with .Values.secrets -}}
{{- $given := compact (list .existingSecret .externalSecret.remoteKey .aws.secretId (empty .values | ternary "" "values")) -}}
{{- if ne (len $given) 1 -}}
{{- $problems = append $problems (printf "secrets needs exactly one source, not %d: existingSecret (create it first, see the chart's README.md), externalSecret.remoteKey, aws.secretId or values." (len $given)) -}}
{{- end -}}
{{- if and .externalSecret.remoteKey (not .externalSecret.store.name) -}}
{{- $problems = append $problems "secrets.externalSecret.store.name must name the store that holds remoteKey." -}}
{{- end -}}
{{- if and .aws.roleArn (not .aws.secretId) -}}
{{- $problems = append $problems "secrets.aws.roleArn requires secrets.aws.secretId." -}}
{{- end -}}
{{- end -}}
{{- if and .Values.secrets.aws.secretId .Values.metrics.token.enabled (not .Values.metrics.token.secret) -}}
{{- $problems = append $problems "metrics.token.secret must name a Secret with METRICS_TOKEN: Prometheus can't read secrets.aws.secretId." -}}
{{- end -}}
{{- if .Values.secrets.values -}}
{{- $components := list "api" "processor" "migrations" -}}
{{- if .Values.collector.enabled }}{{ $components = append $components "collector" }}{{ end -}}
{{- $missing := list -}}
{{- range $components -}}
{{- range include "myhealth.requiredKeys" (list $ .) | fromJsonArray -}}
{{- if not (hasKey $.Values.secrets.values .) }}{{ $missing = append $missing . }}{{ end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.metrics.token.enabled (not .Values.metrics.token.secret) (not (hasKey .Values.secrets.values "METRICS_TOKEN")) -}}
{{- $missing = append $missing "METRICS_TOKEN" -}}
{{- end -}}
{{- with $missing | uniq | sortAlpha -}}
{{- $problems = append $problems (printf "secrets.values must contain %s." (join ", " .)) -}}
{{- end -}}
{{- end -}}
{{- if and (gt (int .Values.collector.shards) 1) (not .Values.oura.connections) -}}
{{- $problems = append $problems "collector.shards above 1 distributes people, but OURA_API_KEY belongs to one: set oura.connections to true." -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- $problems = append $problems "httpRoute.parentRefs must name the Gateway, such as [{name: public, namespace: gateways}]." -}}
{{- end -}}
{{- with .Values.istio -}}
{{- if and .enabled (not .gateway.existing) (not .gateway.tlsSecret) -}}
{{- $problems = append $problems "istio.gateway needs tlsSecret, a TLS Secret in the gateway's namespace, or the name of an existing Gateway." -}}
{{- end -}}
{{- end -}}
{{- range list "api" "processor" -}}
{{- with (index $.Values .).autoscaling -}}
{{- if gt (int .min) (int .max) -}}
{{- $problems = append $problems "autoscaling.min must not be greater than autoscaling.max." -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.database.ca.configMap (not (has .Values.database.sslMode (list "verify-ca" "verify-full"))) -}}
{{- $problems = append $problems "database.ca requires database.sslMode verify-ca or verify-full." -}}
{{- end -}}
{{- if $problems -}}
{{- fail (printf "\n\nmyhealth can't be installed. Fix these values:\n  - %s\n" (join "\n  - " ($problems | uniq))) -}}
{{- end -}}
{{- end }}
