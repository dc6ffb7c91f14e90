{{/* Combinations that render well and run badly, and secrets where everyone can read them: refused with a sentence. */}}
{{- define "cds.checks" -}}
{{- range $name := list "ledger_key" "database_url" -}}
{{- if regexMatch (printf "(?m)^\\s*[\"']?%s[\"']?\\s*=" $name) $.Values.settings -}}
{{- fail (printf "settings: '%s' is a secret and a ConfigMap is none; put it into the Secret that ledger.keySecret and ledger.databaseSecret name" $name) -}}
{{- end -}}
{{- end -}}
{{- $own := list "ORT_DISABLE_TELEMETRY" "CDS_SETTINGS" "CDS_HOST" "CDS_PORT" "CDS_DATA_DIR" "CDS_POLICY_FILE" "CDS_LEDGER_KEY" "CDS_LEDGER_KEY_FILE" "CDS_DATABASE_URL" -}}
{{- range .Values.extraEnv -}}
{{- if has (upper .name) $own -}}
{{- fail (printf "extraEnv: %s is set by the chart; see the values policy and ledger for what can be chosen" .name) -}}
{{- end -}}
{{- end -}}
{{- if and (gt (int .Values.replicas) 1) (not .Values.ledger.databaseSecret.name) -}}
{{- fail "replicas: more than one pod needs ledger.databaseSecret.name; without a database each would keep its own ledger" -}}
{{- end -}}
{{- end -}}
