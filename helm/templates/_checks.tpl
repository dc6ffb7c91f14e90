{{/* Combinations that render well and run badly: refused with a sentence. */}}
{{- define "cds.checks" -}}
{{- if regexMatch "(?m)^\\s*longest_arrival_s\\s*=\\s*(2[6-9]|[3-9][0-9]|[1-9][0-9]{2,})" .Values.settings -}}
{{- fail "settings: longest_arrival_s may be 25 at most; a connection that is silent for 30 s is closed in any case" -}}
{{- end -}}
{{- $own := list "ORT_DISABLE_TELEMETRY" "CDS_SETTINGS" "CDS_HOST" "CDS_PORT" "CDS_DATA_DIR" "CDS_POLICY_FILE" "CDS_LEDGER_KEY" "CDS_LEDGER_KEY_FILE" "CDS_DATABASE_URL" "CDS_REQUIRE_GPU" "CDS_IMAGING__BROKER_URL" "PGPASSWORD" -}}
{{- range concat .Values.extraEnv .Values.worker.extraEnv -}}
{{- if has (upper .name) $own -}}
{{- fail (printf "extraEnv: %s is set by the chart; see the values policy, ledger, brokerSecret, listen and worker for what can be chosen" .name) -}}
{{- end -}}
{{- end -}}
{{- include "cds.secretChecks" . -}}
{{- $database := or .Values.ledger.databaseSecret.name .Values.devDatabase.enabled -}}
{{- if and .Values.devDatabase.enabled .Values.ledger.databaseSecret.name -}}
{{- fail "devDatabase: ledger.databaseSecret names a database already; empty its name, or leave devDatabase off" -}}
{{- end -}}
{{- if and (or (gt (int .Values.replicas) 1) .Values.autoscaling.enabled) (not $database) -}}
{{- fail "replicas: more than one pod needs ledger.databaseSecret.name; without a database each would keep its own ledger" -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (lt (int .Values.autoscaling.maxReplicas) (int .Values.replicas)) -}}
{{- fail "autoscaling.maxReplicas: is less than replicas, which is the least there are" -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled .Values.autoscaling.latency.enabled (not .Values.monitoring.rules.enabled) -}}
{{- fail "autoscaling.latency: needs monitoring.rules.enabled, which records cds_call_seconds_p99" -}}
{{- end -}}
{{- if and .Values.retention.enabled (not $database) -}}
{{- fail "retention: needs ledger.databaseSecret.name; SQLite is the pod's own, use `cds ledger purge` there" -}}
{{- end -}}
{{- if and .Values.report.enabled (not $database) -}}
{{- fail "report: needs ledger.databaseSecret.name; SQLite is the pod's own, use `cds committee report` there" -}}
{{- end -}}
{{- if and .Values.report.enabled (not .Values.report.claim) -}}
{{- fail "report.claim: is needed, the PersistentVolumeClaim that the month's report is written to" -}}
{{- end -}}
{{- if .Values.worker.enabled -}}
{{- include "cds.workerChecks" . -}}
{{- end -}}
{{- if and .Values.ingress.enabled (or (not .Values.ingress.host) (not .Values.ingress.tlsSecret)) -}}
{{- fail "ingress: host and tlsSecret are needed; patients' data goes over TLS only" -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not (contains (printf "https://%s" .Values.ingress.host) .Values.settings)) -}}
{{- fail (printf "ingress.host: settings should have public_url = \"https://%s\"; the EHR's tokens are made out to public_url and would be refused" .Values.ingress.host) -}}
{{- end -}}
{{- if and .Values.ingress.mtls.enabled (not .Values.ingress.mtls.caSecret) -}}
{{- fail "ingress.mtls.caSecret: is needed, the Secret with ca.crt that callers' certificates are checked against" -}}
{{- end -}}
{{- end -}}

{{- define "cds.workerChecks" -}}
{{- $scaling := .Values.worker.autoscaling -}}
{{- $least := eq $scaling.by "none" | ternary .Values.worker.replicas $scaling.minReplicas -}}
{{- if not (or .Values.ledger.databaseSecret.name .Values.devDatabase.enabled) -}}
{{- fail "worker: needs ledger.databaseSecret.name or devDatabase; the queue is in the database, and SQLite is one pod's" -}}
{{- end -}}
{{- if and (ne $scaling.by "none") (lt (int $scaling.maxReplicas) (int $scaling.minReplicas)) -}}
{{- fail "worker.autoscaling.maxReplicas: is less than minReplicas" -}}
{{- end -}}
{{- if and (eq $scaling.by "hpa") (lt (int $scaling.minReplicas) 1) -}}
{{- fail "worker.autoscaling.minReplicas: an HPA can't go to zero; take 1, or by: keda" -}}
{{- end -}}
{{- if and (eq $scaling.by "hpa") (not .Values.monitoring.rules.enabled) -}}
{{- fail "worker.autoscaling.by: hpa needs monitoring.rules.enabled, which records the queue's length" -}}
{{- end -}}
{{- if and (eq (int $least) 0) (regexMatch "(?m)^\\s*poll\\s*=\\s*true" .Values.settings) -}}
{{- fail "worker: with no worker nobody polls, and settings have poll = true; keep one, or let the EHR send notifications" -}}
{{- end -}}
{{- end -}}
