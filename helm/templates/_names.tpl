{{/* Names and labels, the same everywhere. */}}
{{- define "cds.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{/* 42: the longest name made from it is a CronJob's (-retention), which may have 52. No dot: a Service may have none. */}}
{{- define "cds.fullname" -}}
{{- $name := include "cds.name" . -}}
{{- $full := printf "%s-%s" .Release.Name $name -}}
{{- if .Values.fullnameOverride -}}
{{- $full = .Values.fullnameOverride -}}
{{- else if contains $name .Release.Name -}}
{{- $full = .Release.Name -}}
{{- end -}}
{{- $full | replace "." "-" | trunc 42 | trimSuffix "-" -}}
{{- end -}}

{{- define "cds.selector" -}}
app.kubernetes.io/name: {{ include "cds.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "cds.labels" -}}
{{ include "cds.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "cds.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "cds.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name is needed when serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "cds.image" -}}
{{- .Values.image.repository -}}
{{- if .Values.image.digest -}}
@{{ .Values.image.digest }}
{{- else -}}
:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{/* The worker's: what it names, else the service's; the GPU build has its own tag. */}}
{{- define "cds.workerImage" -}}
{{- $own := .Values.worker.image -}}
{{- default .Values.image.repository $own.repository -}}
{{- if $own.digest -}}
@{{ $own.digest }}
{{- else if $own.tag -}}
:{{ $own.tag }}
{{- else if .Values.worker.gpu.enabled -}}
:{{ default .Chart.AppVersion .Values.image.tag }}-cuda
{{- else if and .Values.image.digest (not $own.repository) -}}
@{{ .Values.image.digest }}
{{- else -}}
:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}
