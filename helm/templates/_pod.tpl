{{/* What the pods that run `cds` have in common: who they are, what they read and where they write. */}}
{{- define "cds.podStart" -}}
serviceAccountName: {{ include "cds.serviceAccount" . }}
automountServiceAccountToken: false
# else the cluster sets CDS_PORT=tcp://... for a service called cds, and the settings would read it
enableServiceLinks: false
securityContext:
  {{- include "cds.podSecurity" . | nindent 2 }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "cds.environment" -}}
- name: ORT_DISABLE_TELEMETRY
  value: "1"
- name: CDS_SETTINGS
  value: /etc/cds/settings/cds.toml
- name: CDS_HOST
  value: {{ .Values.listen | quote }}
- name: CDS_PORT
  value: "8080"
- name: CDS_DATA_DIR
  value: /var/lib/cds
- name: CDS_LEDGER_KEY_FILE
  value: /etc/cds/ledger/key
{{ include "cds.database" (dict "root" . "secret" .Values.ledger.databaseSecret) }}
{{- if .Values.policy }}
- name: CDS_POLICY_FILE
  value: /etc/cds/policy/policy.yaml
{{- end }}
{{- with .Values.brokerSecret.name }}
- name: CDS_IMAGING__BROKER_URL
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: {{ $.Values.brokerSecret.key }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* root, secret: where the address is; the development database's holds no password, libpq reads that by itself */}}
{{- define "cds.database" -}}
{{- if .root.Values.devDatabase.enabled -}}
- name: CDS_DATABASE_URL
  value: {{ printf "postgresql://cds@%s-database/cds" (include "cds.fullname" .root) | quote }}
- name: PGPASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ .root.Values.devDatabase.passwordSecret.name }}
      key: {{ .root.Values.devDatabase.passwordSecret.key }}
{{- else if .secret.name -}}
- name: CDS_DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ .secret.name }}
      key: {{ .secret.key }}
{{- end -}}
{{- end -}}

{{- define "cds.secretMounts" -}}
{{- range $secret := .Values.secrets }}
- name: {{ printf "secret-%s" $secret }}
  mountPath: /etc/cds/secrets/{{ $secret }}
  readOnly: true
{{- end }}
{{- end -}}

{{- define "cds.secretVolumes" -}}
{{- range $secret := .Values.secrets }}
- name: {{ printf "secret-%s" $secret }}
  secret:
    secretName: {{ $secret }}
    defaultMode: 0440
{{- end }}
{{- end -}}

{{/* Jobs with nothing but the database to reach have no settings file, of which a CDS_ variable may be the smaller
half. The rest is for libpq and the network: PGSSLROOTCERT and the like. */}}
{{- define "cds.jobEnvironment" -}}
{{- $others := list -}}
{{- range .Values.extraEnv -}}
{{- if not (hasPrefix "CDS_" (upper .name)) -}}
{{- $others = append $others . -}}
{{- end -}}
{{- end -}}
{{- with $others }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Of the site's volumes those that hold files to read, certificates may be in one: a claim may be another node's */}}
{{- define "cds.jobVolumes" -}}
{{- include "cds.secretVolumes" . -}}
{{- range .Values.extraVolumes -}}
{{- if or .secret .configMap .projected .csi }}
{{ list . | toYaml }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "cds.jobMounts" -}}
{{- $names := list -}}
{{- range .Values.extraVolumes -}}
{{- if or .secret .configMap .projected .csi -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- end -}}
{{- include "cds.secretMounts" . -}}
{{- range .Values.extraVolumeMounts -}}
{{- if has .name $names }}
{{ list . | toYaml }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "cds.mounts" -}}
- name: settings
  mountPath: /etc/cds/settings
  readOnly: true
- name: ledger-key
  mountPath: /etc/cds/ledger
  readOnly: true
{{- if .Values.policy }}
# the folder, not the file: a file mounted by subPath is never brought up to date
- name: policy
  mountPath: /etc/cds/policy
  readOnly: true
{{- end }}
{{- include "cds.secretMounts" . }}
- name: data
  mountPath: /var/lib/cds
- name: tmp
  mountPath: /tmp
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* root, storage: sizes of the pod's own disk */}}
{{- define "cds.volumes" -}}
{{- $root := .root -}}
- name: settings
  configMap:
    name: {{ include "cds.fullname" $root }}-settings
- name: ledger-key
  secret:
    secretName: {{ $root.Values.ledger.keySecret.name }}
    defaultMode: 0440
    items:
      - key: {{ $root.Values.ledger.keySecret.key }}
        path: key
{{- if $root.Values.policy }}
- name: policy
  configMap:
    name: {{ include "cds.fullname" $root }}-policy
{{- end }}
{{- include "cds.secretVolumes" $root }}
- name: data
  emptyDir:
    sizeLimit: {{ .storage.dataSize }}
- name: tmp
  emptyDir:
    sizeLimit: {{ .storage.tmpSize }}
{{- with $root.Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* root, component, own: nodeSelector, affinity, tolerations, priorityClassName, topologySpread of that component */}}
{{- define "cds.placement" -}}
{{- $root := .root -}}
{{- $component := .component -}}
{{- with .own.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- if .own.topologySpread.enabled }}
topologySpreadConstraints:
  {{- range .own.topologySpread.keys }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: {{ $.own.topologySpread.whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- include "cds.selector" $root | nindent 8 }}
        app.kubernetes.io/component: {{ $component }}
    # pods of the version being rolled out are spread among themselves
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}
{{- with .own.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .own.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .own.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
