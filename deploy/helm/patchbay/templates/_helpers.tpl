{{- define "patchbay.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "patchbay.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "patchbay.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "patchbay.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Where the secrets are: one name for the chart and its NATS. */}}
{{- define "patchbay.secretName" -}}
{{- .Values.global.existingSecret | default (printf "%s-patchbay-secrets" .Release.Name) }}
{{- end }}

{{- define "patchbay.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (include "patchbay.fullname" .) }}
{{- else }}
{{- .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}

{{/* The templates below take a dict: root (the chart's own context) and part (gateway, router or worker). */}}

{{- define "patchbay.selector" -}}
app.kubernetes.io/name: {{ include "patchbay.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "patchbay.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "patchbay.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end }}

{{- define "patchbay.internalPort" -}}
{{- get (dict "gateway" "9201" "router" "9101" "worker" "9301") .part }}
{{- end }}

{{- define "patchbay.natsURL" -}}
{{- if .Values.nats.enabled }}
{{- printf "nats://%s-nats:4222" .Release.Name }}
{{- else }}
{{- .Values.externalNats.url }}
{{- end }}
{{- end }}

{{/* The environment that every part has. */}}
{{- define "patchbay.env" -}}
{{- $root := .root }}
{{- $values := index $root.Values .part }}
- name: PATCHBAY_LOG_LEVEL
  value: {{ $root.Values.logLevel | quote }}
- name: PATCHBAY_INTERNAL
  value: {{ printf ":%s" (include "patchbay.internalPort" .) | quote }}
- name: PATCHBAY_STOP_TIMEOUT
  value: {{ printf "%ds" (int $values.stopTimeoutSeconds) | quote }}
- name: PATCHBAY_NATS
  value: {{ include "patchbay.natsURL" $root | quote }}
{{- if or $root.Values.nats.enabled $root.Values.externalNats.auth }}
- name: PATCHBAY_NATS_USER
  value: {{ .part }}
- name: PATCHBAY_NATS_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ include "patchbay.secretName" $root }}
      key: nats-{{ .part }}-password
{{- end }}
{{- if and (not $root.Values.nats.enabled) $root.Values.externalNats.tlsSecret }}
- name: PATCHBAY_NATS_CA
  value: /etc/patchbay/nats/ca.crt
{{- if $root.Values.externalNats.clientCertificate }}
- name: PATCHBAY_NATS_CERT
  value: /etc/patchbay/nats/tls.crt
- name: PATCHBAY_NATS_KEY
  value: /etc/patchbay/nats/tls.key
{{- end }}
{{- end }}
- name: GOMEMLIMIT
  valueFrom:
    resourceFieldRef:
      resource: limits.memory
{{- range $name, $value := $values.config }}
- name: PATCHBAY_{{ $name | upper | replace "-" "_" }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- with $values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "patchbay.probes" -}}
livenessProbe:
  httpGet: { path: /healthz, port: internal }
  periodSeconds: 10
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /readyz, port: internal }
  periodSeconds: 2
  failureThreshold: 2
{{- end }}

{{/* What every pod has beside its container. */}}
{{- define "patchbay.pod" -}}
{{- $root := .root }}
{{- $values := index $root.Values .part }}
serviceAccountName: {{ include "patchbay.serviceAccountName" $root }}
automountServiceAccountToken: {{ $root.Values.serviceAccount.automount }}
# Kubernetes' variables for Services begin with their names, which would be those of settings.
enableServiceLinks: false
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml $root.Values.podSecurityContext | nindent 2 }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
{{- if $values.topologySpreadConstraints }}
  {{- toYaml $values.topologySpreadConstraints | nindent 2 }}
{{- else }}
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "patchbay.selector" . | nindent 8 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- if and (not $root.Values.nats.enabled) $root.Values.externalNats.tlsSecret }}
volumes:
  - name: nats-tls
    secret:
      secretName: {{ $root.Values.externalNats.tlsSecret }}
{{- end }}
{{- end }}

{{- define "patchbay.container" -}}
{{- $root := .root }}
{{- $values := index $root.Values .part }}
{{- $image := mergeOverwrite (deepCopy $root.Values.image) (get $values "image" | default dict) }}
image: "{{ $image.repository }}:{{ $image.tag | default $root.Chart.AppVersion }}"
imagePullPolicy: {{ $image.pullPolicy }}
securityContext:
  {{- toYaml $root.Values.securityContext | nindent 2 }}
resources:
  {{- toYaml $values.resources | nindent 2 }}
{{ include "patchbay.probes" . }}
{{- if and (not $root.Values.nats.enabled) $root.Values.externalNats.tlsSecret }}
volumeMounts:
  - name: nats-tls
    mountPath: /etc/patchbay/nats
    readOnly: true
{{- end }}
{{- end }}

{{- define "patchbay.podMetadata" -}}
{{- $values := index .root.Values .part }}
labels:
  {{- include "patchbay.labels" . | nindent 2 }}
  {{- with $values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- if or $values.podAnnotations (not .root.Values.global.existingSecret) }}
annotations:
  {{- if not .root.Values.global.existingSecret }}
  # New secrets reach a running pod only with a restart.
  checksum/secret: {{ toYaml (pick .root.Values "secret") | sha256sum }}
  {{- end }}
  {{- with $values.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}
