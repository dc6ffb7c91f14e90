{{/* Names and labels, the same everywhere. */}}
{{- define "cds.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{/* 50, as it has always been: another name would be another Service. No dot: a Service may have none. */}}
{{- define "cds.fullname" -}}
{{- $name := include "cds.name" . -}}
{{- $full := printf "%s-%s" .Release.Name $name -}}
{{- if .Values.fullnameOverride -}}
{{- $full = .Values.fullnameOverride -}}
{{- else if contains $name .Release.Name -}}
{{- $full = .Release.Name -}}
{{- end -}}
{{- $full | replace "." "-" | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{/* Of what may have no more than 52, a CronJob or a StatefulSet: (dict "root" $ "suffix" "-report"). One that is cut
ends with a hash, since the beginnings of two names may be the same. */}}
{{- define "cds.shortName" -}}
{{- $full := include "cds.fullname" .root -}}
{{- $room := int (sub 52 (len .suffix)) -}}
{{- if gt (len $full) $room -}}
{{- $full = printf "%s-%s" ($full | trunc (int (sub $room 7)) | trimSuffix "-") ($full | sha256sum | trunc 6) -}}
{{- end -}}
{{- $full }}{{ .suffix -}}
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
