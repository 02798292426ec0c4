{{- define "myhealth.fullname" -}}
{{- $name := .Values.fullnameOverride | default (contains .Chart.Name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name)) -}}
{{- /* The name of a CronJob is limited to 52 characters. */ -}}
{{- $name | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "myhealth.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "myhealth.host" -}}
{{ trimPrefix "https://" .Values.publicUrl | trimSuffix "/" }}
{{- end }}

{{- define "myhealth.instance" -}}
app.kubernetes.io/name: myhealth
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* Called with (list $ "api"): the labels that select the pods of a component. They never change. */ -}}
{{- define "myhealth.selector" -}}
{{ include "myhealth.instance" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "myhealth.podLabels" -}}
{{ include "myhealth.selector" . }}
{{- with index . 0 }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
{{- end }}
{{- end }}

{{- define "myhealth.labels" -}}
{{ include "myhealth.podLabels" . }}
{{- with index . 0 }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
{{- end }}

{{- define "myhealth.port" -}}
{{ eq . "api" | ternary 8000 8001 }}
{{- end }}

{{- /* Annotations of the migration's objects, which exist before the release's own objects. They
       are deleted after it has succeeded; those of a failed migration stay for inspection. */ -}}
{{- define "myhealth.hook" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{- define "myhealth.accountAnnotations" -}}
{{- $root := index . 0 -}}
{{- $own := dict -}}
{{- with $root.Values.secrets.aws.roleArn }}{{ $own = dict "eks.amazonaws.com/role-arn" . }}{{ end -}}
{{- with mergeOverwrite $own (index $root.Values (index . 1)).serviceAccountAnnotations -}}
{{ toYaml . }}
{{- end -}}
{{- end }}

{{- /* An AWS load balancer passes on header names with underscores, unless it is told otherwise. */ -}}
{{- define "myhealth.ingressAnnotations" -}}
{{- $annotations := deepCopy .Values.ingress.annotations -}}
{{- if eq .Values.ingress.className "alb" -}}
{{- $key := "alb.ingress.kubernetes.io/load-balancer-attributes" -}}
{{- $drop := "routing.http.drop_invalid_header_fields.enabled=true" -}}
{{- $_ := set $annotations $key (compact (list (get $annotations $key) $drop) | join ",") -}}
{{- end -}}
{{- toYaml $annotations -}}
{{- end }}
