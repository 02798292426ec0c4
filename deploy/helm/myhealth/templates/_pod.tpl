{{- /* What the pods of all components share. Called with (list $ component). */ -}}
{{- define "myhealth.podMetadata" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
labels:
  {{- include "myhealth.podLabels" . | nindent 2 }}
  {{- if $root.Values.istio.enabled }}
  {{- /* The migration uses only the database, and may run before the mesh knows it. */}}
  sidecar.istio.io/inject: {{ ne $component "migrations" | quote }}
  {{- end }}
annotations:
  kubectl.kubernetes.io/default-container: {{ $component }}
  {{- if ne $component "migrations" }}
  checksum/config: {{ print (include (print $root.Template.BasePath "/config.yaml") $root) (toJson $root.Values.secrets.values) | sha256sum }}
  {{- end }}
  {{- if and $root.Values.istio.enabled (eq $component "collector") }}
  {{- /* Otherwise the sidecar keeps running, and the Job never ends. */}}
  sidecar.istio.io/nativeSidecar: "true"
  {{- end }}
  {{- with (index $root.Values $component).podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "myhealth.podSpec" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
serviceAccountName: {{ include "myhealth.fullname" $root }}-{{ $component }}
automountServiceAccountToken: false
# Otherwise a Service named "api" would set API_PORT.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $root.Values.scheduling }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}
volumes:
  - name: tmp
    emptyDir: {sizeLimit: 64Mi}
  {{- with $root.Values.database.ca }}
  {{- if .configMap }}
  - name: database-ca
    configMap: {name: {{ .configMap }}}
  {{- else if .secret }}
  - name: database-ca
    secret: {secretName: {{ .secret }}, items: [{key: {{ .key }}, path: {{ .key }}}]}
  {{- end }}
  {{- end }}
  {{- if and $root.Values.oura.ca.configMap (has $component (list "api" "collector")) }}
  - name: oura-ca
    configMap: {name: {{ $root.Values.oura.ca.configMap }}}
  {{- end }}
  {{- if and $root.Values.processor.tls.secretName (ne $component "migrations") }}
  - name: processor-tls
    secret:
      secretName: {{ $root.Values.processor.tls.secretName }}
      # Only the processor gets the key.
      items:
        {{- range eq $component "processor" | ternary (list "tls.crt" "tls.key") (list "ca.crt") }}
        - {key: {{ . }}, path: {{ . }}}
        {{- end }}
  {{- end }}
{{- end }}

{{- define "myhealth.container" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
name: {{ $component }}
image: {{ include "myhealth.image" $root | quote }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
securityContext:
  runAsNonRoot: true
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- if ne $component "migrations" }}
envFrom:
  - configMapRef: {name: {{ include "myhealth.fullname" $root }}}
{{- end }}
env:
  {{- include "myhealth.ownEnv" . | trim | nindent 2 }}
  {{- include "myhealth.secretEnv" . | trim | nindent 2 }}
resources:
  {{- toYaml (index $root.Values $component).resources | nindent 2 }}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  {{- if or $root.Values.database.ca.configMap $root.Values.database.ca.secret }}
  - {name: database-ca, mountPath: /etc/myhealth/database, readOnly: true}
  {{- end }}
  {{- if and $root.Values.oura.ca.configMap (has $component (list "api" "collector")) }}
  - {name: oura-ca, mountPath: /etc/myhealth/oura, readOnly: true}
  {{- end }}
  {{- if and $root.Values.processor.tls.secretName (ne $component "migrations") }}
  - {name: processor-tls, mountPath: /etc/myhealth/processor, readOnly: true}
  {{- end }}
{{- end }}
