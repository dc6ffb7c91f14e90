{{/* Secrets where everyone who may read a ConfigMap or a Deployment can read them: refused, with where they belong. */}}
{{- define "cds.secretChecks" -}}
{{- $places := dict "ledger_key" "ledger.keySecret names the Secret that has it" "database_url" "ledger.databaseSecret names the Secret that has it" "broker_url" "brokerSecret names the Secret that has it" "password" "name its Secret in secrets, and write password_file" "secret" "name its Secret in secrets, and write secret_file" -}}
{{- range $name, $place := $places -}}
{{- if regexMatch (printf "(?m)(^|[.{,])\\s*[\"']?%s[\"']?\\s*=" $name) $.Values.settings -}}
{{- fail (printf "settings: '%s' is a secret and a ConfigMap is none; %s" $name $place) -}}
{{- end -}}
{{- end -}}
{{- if regexMatch "(?m)(^|[.{,])\\s*\"[^\"\\n]*\\\\[^\"\\n]*\"\\s*=" $.Values.settings -}}
{{- fail "settings: a key is written with a backslash, behind which a secret's name can hide; write it plainly" -}}
{{- end -}}
{{- $texts := dict "settings" .Values.settings "policy" .Values.policy -}}
{{- range $name, $text := .Values.files -}}
{{- $_ := set $texts (printf "files.%s" $name) $text -}}
{{- end -}}
{{- range $name, $text := $texts -}}
{{- with include "cds.tells" $text -}}
{{- fail (printf "%s: holds %s and a ConfigMap is no secret; put it into a Secret, name that in secrets, and its file /etc/cds/secrets/NAME/FILE in settings" $name .) -}}
{{- end -}}
{{- end -}}
{{- range concat .Values.extraEnv .Values.worker.extraEnv -}}
{{- $value := default "" .value -}}
{{- $named := regexMatch "(PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIALS?)$" (upper .name) -}}
{{- /* a path says where a key is */ -}}
{{- $key := and (hasSuffix "KEY" (upper .name)) (not (hasPrefix "/" $value)) -}}
{{- /* a block of settings is JSON here, with names of its own */ -}}
{{- $within := regexMatch "\"(ledger_key|database_url|broker_url|password|secret|[^\"]*\\\\[^\"]*)\"\\s*:" $value -}}
{{- if and $value (or $named $key $within (include "cds.tells" $value)) -}}
{{- fail (printf "extraEnv: %s has a secret as its value, which can be read in the Deployment; write valueFrom.secretKeyRef with the name and key of a Secret" .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What a text has that should be told to nobody; empty where there is none: a private key (PEM, or JSON Web Key) or an
address with its password. */}}
{{- define "cds.tells" -}}
{{- if or (regexMatch "-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY" .) (and (contains "\"kty\"" .) (regexMatch "\"(d|k)\"\\s*:\\s*\"" .)) -}}
a private key
{{- else if regexMatch "://[^/\\s:@\"']*:[^/\\s@\"']+@|[?&]password=" . -}}
an address with its password
{{- end -}}
{{- end -}}
