{{- /* Called with (list peers port …): egress to these peers (none: any) on these TCP ports. */ -}}
{{- define "myhealth.egress" -}}
{{- $peers := index . 0 -}}
- ports:
    {{- range rest . }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
  {{- with $peers }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "myhealth.ingressFrom" -}}
{{- $peers := index . 0 -}}
- ports: [{port: {{ index . 1 }}, protocol: TCP}]
  {{- with $peers }}
  from:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- /* What each pod may reach: DNS and, where used, the database, secrets and the mesh. */ -}}
{{- define "myhealth.commonEgress" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- with $root.Values.networkPolicy -}}
- ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
  {{- with .dns }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- if or (ne $component "collector") $root.Values.oura.connections }}
{{ include "myhealth.egress" (list .database $root.Values.database.port) }}
{{- end }}
{{- if $root.Values.secrets.aws.secretId }}
{{ include "myhealth.egress" (list .aws 443) }}
# The agent of EKS Pod Identity on the node.
{{ include "myhealth.egress" (list (list (dict "ipBlock" (dict "cidr" "169.254.170.23/32"))) 80) }}
{{- end }}
{{- if and $root.Values.istio.enabled (ne $component "migrations") }}
{{- $istiod := dict "namespaceSelector" (dict "matchLabels" (dict "kubernetes.io/metadata.name" $root.Values.istio.controlPlaneNamespace)) }}
{{ include "myhealth.egress" (list (list $istiod) 15012) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "myhealth.componentPeer" -}}
podSelector:
  matchLabels:
    {{- include "myhealth.selector" . | nindent 4 }}
{{- end }}
