{{- define "cds.dnsRule" -}}
- to:
    {{- toYaml .Values.networkPolicy.dnsTo | nindent 4 }}
  ports:
    {{- range .Values.networkPolicy.dnsPorts }}
    - port: {{ . }}
      protocol: UDP
    - port: {{ . }}
      protocol: TCP
    {{- end }}
{{- end -}}

{{/* root, more: names, the development database if there is one, and what is named */}}
{{- define "cds.egress" -}}
{{ include "cds.dnsRule" .root }}
{{- if .root.Values.devDatabase.enabled }}
- to:
    - podSelector:
        matchLabels:
          {{- include "cds.selector" .root | nindent 10 }}
          app.kubernetes.io/component: database
  ports:
    - port: 5432
      protocol: TCP
{{- end }}
{{- with .more }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* root, of: names of lists of networkPolicy, of which each may be left empty. Egress to all that they name. */}}
{{- define "cds.egressOf" -}}
{{- $named := list -}}
{{- range .of -}}
{{- $named = concat $named (default list (get $.root.Values.networkPolicy .)) -}}
{{- end -}}
{{- include "cds.egress" (dict "root" .root "more" $named) -}}
{{- end -}}

{{/* Of what needs the database alone. Where it has no rules of its own it is among all that is named. */}}
{{- define "cds.databaseEgress" -}}
{{- $policy := .Values.networkPolicy -}}
{{- $database := default $policy.egress $policy.databaseEgress -}}
{{- if .Values.devDatabase.enabled -}}
{{- $database = $policy.databaseEgress -}}
{{- end -}}
{{- include "cds.egress" (dict "root" . "more" $database) -}}
{{- end -}}
