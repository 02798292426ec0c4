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
{{- with .Values.networkPolicy -}}
{{- if and .enabled (not .database) (not .anyDatabase) -}}
{{- $problems = append $problems "networkPolicy.database must list the database's network, such as [{ipBlock: {cidr: 10.1.2.0/24}}], or set networkPolicy.anyDatabase to true." -}}
{{- end -}}
{{- if and .enabled $.Values.secrets.aws.secretId (not .aws) -}}
{{- $problems = append $problems "networkPolicy.aws must list the network of the endpoints of Secrets Manager and STS, such as [{ipBlock: {cidr: 10.1.0.0/16}}]." -}}
{{- end -}}
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
{{- with $missing | uniq | sortAlpha -}}
{{- $problems = append $problems (printf "secrets.values must contain %s." (join ", " .)) -}}
{{- end -}}
{{- end -}}
{{- if and (gt (int .Values.collector.shards) 1) (not .Values.oura.connections) -}}
{{- $problems = append $problems "collector.shards above 1 divides the people among several pods, but OURA_API_KEY belongs to one person: set oura.connections to true." -}}
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
{{- with .Values.database -}}
{{- $ca := compact (list .ca.configMap .ca.secret) -}}
{{- if and $ca (not (has .sslMode (list "verify-ca" "verify-full"))) -}}
{{- $problems = append $problems "database.ca requires database.sslMode verify-ca or verify-full." -}}
{{- end -}}
{{- if and (eq .sslMode "verify-ca") (not $ca) -}}
{{- $problems = append $problems "database.sslMode verify-ca requires database.ca, because anybody can get a certificate from a public authority." -}}
{{- end -}}
{{- if gt (len $ca) 1 -}}
{{- $problems = append $problems "database.ca must be a configMap or a secret, not both." -}}
{{- end -}}
{{- end -}}
{{- if and .Values.istio.enabled .Values.processor.tls.secretName -}}
{{- $problems = append $problems "processor.tls can't be combined with istio.enabled, whose sidecars already encrypt the traffic." -}}
{{- end -}}
{{- if $problems -}}
{{- fail (printf "\n\nmyhealth can't be installed. Fix these values:\n  - %s\n" (join "\n  - " ($problems | uniq))) -}}
{{- end -}}
{{- end }}
