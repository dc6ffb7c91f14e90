{{/* What every pod and container of this chart is held to; none of it can be turned off by a value. */}}
{{- define "cds.podSecurity" -}}
runAsNonRoot: true
{{- with .Values.runAs.user }}
runAsUser: {{ . | int64 }}
{{- end }}
{{- with .Values.runAs.group }}
runAsGroup: {{ . | int64 }}
{{- end }}
{{- with .Values.runAs.fsGroup }}
fsGroup: {{ . | int64 }}
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "cds.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}
