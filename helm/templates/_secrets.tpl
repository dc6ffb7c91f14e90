{{/* Secrets where everyone who may read a ConfigMap or a Deployment can read them: refused, with where they belong. */}}
{{- define "cds.secretChecks" -}}
{{- $settings := include "cds.spoken" .Values.settings -}}
{{- $places := dict "ledger_key" "ledger.keySecret names the Secret that has it" "database_url" "ledger.databaseSecret names the Secret that has it" "broker_url" "brokerSecret names the Secret that has it" "password" "name its Secret in secrets, and write password_file" "secret" "name its Secret in secrets, and write secret_file" -}}
{{- range $name, $place := $places -}}
{{- if regexMatch (printf "(?m)(^|[.{,])\\s*[\"']?%s[\"']?\\s*=" $name) $settings -}}
{{- fail (printf "settings: '%s' is a secret and a ConfigMap is none; %s" $name $place) -}}
{{- end -}}
{{- end -}}
{{- if regexMatch "(?m)(^|[.{,])\\s*\"[^\"\\n]*\\\\[^\"\\n]*\"\\s*=" $settings -}}
{{- fail "settings: a key is written with a backslash, behind which a secret's name can hide; write it plainly" -}}
{{- end -}}
{{- with include "cds.openFile" $settings -}}
{{- fail (printf "settings: '%s' has its file in the ConfigMap, where everyone can read the secret; put that into a Secret, name that in secrets, and its file /etc/cds/secrets/NAME/FILE here" .) -}}
{{- end -}}
{{- $texts := dict "settings" $settings "policy" .Values.policy -}}
{{- range $name, $text := .Values.files -}}
{{- $_ := set $texts (printf "files.%s" $name) $text -}}
{{- end -}}
{{- range $name, $text := $texts -}}
{{- with include "cds.tells" $text -}}
{{- fail (printf "%s: holds %s and a ConfigMap is no secret; put it into a Secret, name that in secrets, and its file /etc/cds/secrets/NAME/FILE in settings" $name .) -}}
{{- end -}}
{{- end -}}
{{- include "cds.variableChecks" . -}}
{{- end -}}

{{- define "cds.variableChecks" -}}
{{- $plain := dict -}}
{{- range concat .Values.extraEnv .Values.worker.extraEnv -}}
{{- $value := default "" .value -}}
{{- /* as Kubernetes does it: what is left of $(NAME) is given by a Secret */ -}}
{{- range $name, $text := $plain -}}
{{- $value = replace (printf "$(%s)" $name) $text $value -}}
{{- end -}}
{{- if $value -}}
{{- $_ := set $plain .name $value -}}
{{- end -}}
{{- if include "cds.openFile" (printf "%s = %s" (lower .name) $value) -}}
{{- fail (printf "extraEnv: %s has its file in the ConfigMap, where everyone can read the secret; put that into a Secret, name that in secrets, and its file /etc/cds/secrets/NAME/FILE here" .name) -}}
{{- end -}}
{{- $value = include "cds.written" $value -}}
{{- $named := regexMatch "(PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN)$" (upper .name) -}}
{{- /* a path says where a key is */ -}}
{{- $key := and (regexMatch "(KEY|CREDENTIALS?)$" (upper .name)) (not (hasPrefix "/" $value)) -}}
{{- /* a block of settings is JSON here, with names of its own */ -}}
{{- $within := regexMatch (printf `"(%s|[^"]*\\[^"]*)"\s*:` (include "cds.secretNames" .)) $value -}}
{{- if and $value (or $named $key $within (include "cds.tells" $value)) -}}
{{- fail (printf "extraEnv: %s has a secret as its value, which can be read in the Deployment; write valueFrom.secretKeyRef with the name and key of a Secret" .name) -}}
{{- end -}}
{{- $given := printf `[^=,]+=\s*([A-Za-z]+(%%20|\s+))?%s\s*(,|$)` (include "cds.reference" .) -}}
{{- if and (hasSuffix "HEADERS" (upper .name)) (regexReplaceAll $given $value "") -}}
{{- fail (printf "extraEnv: %s has headers as its value, with which one may sign in, and which can be read in the Deployment; write valueFrom.secretKeyRef with the name and key of a Secret" .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "cds.secretNames" -}}
ledger_key|database_url|broker_url|password|secret
{{- end -}}

{{- define "cds.reference" -}}
(\$\([A-Za-z0-9_.-]+\))+
{{- end -}}

{{/* Settings without their comments, which may speak of passwords. Kept is a comment in which one is told all the same:
a secret's line commented out, a private key; and three quotes, which may end a text rather than be a comment. */}}
{{- define "cds.spoken" -}}
{{- $out := printf `^\s*#+\s*([\w."'-]*\.)?["']?(%s)["']?\s*=\s*("[^"]*\w[^"]*"|'[^']*\w[^']*')\s*$` (include "cds.secretNames" .) -}}
{{- $lines := list -}}
{{- range $line := splitList "\n" . -}}
{{- if regexMatch $out $line -}}
{{- $line = regexReplaceAll `^\s*#+` $line "" -}}
{{- end -}}
{{- if or (not (regexMatch `^\s*#` $line)) (regexMatch `"""|'''|PRIVATE KEY|"kty"` $line) -}}
{{- $lines = append $lines $line -}}
{{- end -}}
{{- end -}}
{{- join "\n" $lines -}}
{{- end -}}

{{/* The key, in settings or in a block of JSON, whose file is secret and lies in the ConfigMap. */}}
{{- define "cds.openFile" -}}
{{- $key := `[\w-]*((password|secret|token|authorization|credentials?|key|accounts)_file|passfile|credentials?|signing_keys)|([\w-]*_)?key` -}}
{{- $paths := `\[[^\]]*|("""|''')\s*[^"'\n,}]*|["']?[^"'\n,}]*` -}}
{{- $found := list -}}
{{- range $setting := regexFindAll (printf `(?m)(^|[^\w-])(%s)["']?\s*[=:]\s*(%s)` $key $paths) . -1 -}}
{{- range regexSplit `[\s"',=:\[]+` $setting -1 -}}
{{- if hasPrefix "/etc/cds/settings/" (clean .) -}}
{{- $found = append $found (regexFind `[\w-]+` $setting) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with $found }}{{ first . }}{{ end -}}
{{- end -}}

{{/* A variable's value without the passwords that are wholly references, $(NAME). */}}
{{- define "cds.written" -}}
{{- $given := include "cds.reference" . -}}
{{- $value := regexReplaceAll (printf `^%s$` $given) . "" -}}
{{- $value = regexReplaceAll (printf `(://[^/\s:@"']*):%s@` $given) $value "${1}@" -}}
{{- $value = regexReplaceAll (printf `[?&]password=%s(["&#]|$)` $given) $value "${2}" -}}
{{- $value = regexReplaceAll (printf `"(%s)"(\s*:\s*"%s")` (include "cds.secretNames" .) $given) $value `"given"${2}` -}}
{{- $value -}}
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
