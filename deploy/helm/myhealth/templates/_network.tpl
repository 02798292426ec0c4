{{- /* Called with (list peers port …): egress to these peers, if any, on these TCP ports. In a
       policy, a rule without peers would allow all addresses. */ -}}
{{- define "myhealth.egress" -}}
{{- $ports := rest . -}}
{{- with index . 0 -}}
- ports:
    {{- range $ports }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
  to:
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- end }}

{{- define "myhealth.ingressFrom" -}}
{{- $port := index . 1 -}}
{{- with index . 0 -}}
- ports: [{port: {{ $port }}, protocol: TCP}]
  from:
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- end }}

{{- /* What each pod may reach: DNS and, where used, the database, secrets and the mesh. */ -}}
{{- define "myhealth.commonEgress" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- with $root.Values.networkPolicy -}}
{{- with .dns -}}
- ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
  to:
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- if or (ne $component "collector") $root.Values.oura.connections }}
{{- if .anyDatabase }}
- ports: [{port: {{ $root.Values.database.port }}, protocol: TCP}]
{{- else }}
{{ include "myhealth.egress" (list .database $root.Values.database.port) }}
{{- end }}
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
