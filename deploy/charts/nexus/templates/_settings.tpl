{{- /* What the services read: a file of settings, and variables for what is secret. */ -}}

{{- /* Of every service, as YAML. */ -}}
{{- define "nexus.settings.shared" -}}
{{- $values := .Values -}}
log-format: json
unready-grace: {{ printf "%ds" (int $values.unreadyGraceSeconds) }}
drain-timeout: {{ printf "%ds" (int $values.drainSeconds) }}
cql-store-type: {{ $values.cassandra.type }}
{{ include "nexus.settings.cassandra" $values.cassandra }}
{{- with $values.s3 }}
{{- if .path }}
s3-buffer:
  payload-storage-path: {{ .path | quote }}
  {{- with .region }}
  region: {{ . | quote }}
  {{- end }}
  {{- with .endpoint }}
  endpoint: {{ . | quote }}
  {{- end }}
  {{- if .tls.existingSecret }}
  ca-file: /etc/nexus/s3/{{ .tls.key }}
  {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "nexus.settings.cassandra" -}}
{{- $tls := .tls -}}
{{ .type }}-cql-store:
  keyspace: {{ .keyspace | quote }}
{{- if ne .type "keyspaces" }}
  indexes-supported: {{ .indexesSupported }}
{{- end }}
{{- if ne .type "astra" }}
  hosts: {{ toJson .hosts }}
  {{- with .port }}
  port: {{ int . }}
  {{- end }}
  {{- if $tls.existingSecret }}
  ca-path: /etc/nexus/cassandra/{{ $tls.keys.ca }}
  {{- end }}
{{- end }}
{{- if eq .type "scylla" }}
  {{- with .localDc }}
  local-dc: {{ . | quote }}
  {{- end }}
  {{- if $tls.existingSecret }}
  verify-address: {{ $tls.verifyAddress }}
  {{- with $tls.keys.certificate }}
  certificate-path: /etc/nexus/cassandra/{{ . }}
  key-path: /etc/nexus/cassandra/{{ $tls.keys.key }}
  {{- end }}
  {{- end }}
{{- else if eq .type "keyspaces" }}
  {{- with .region }}
  region: {{ . | quote }}
  {{- end }}
  use-irsa: {{ not .existingSecret }}
{{- end }}
{{- end -}}

{{- /* Of one service, as YAML; what `settings` says wins. */ -}}
{{- define "nexus.settings" -}}
{{- $values := .root.Values -}}
{{- $own := include "nexus.settings.shared" .root | fromYaml -}}
{{- $_ := set $own "listen" (dict "host" "0.0.0.0" "port" (include "nexus.port" . | int)) -}}
{{- if ne .component "receiver" -}}
{{- $_ := set $own "scheduler-url" (include "nexus.url" (dict "root" .root "component" "scheduler")) -}}
{{- $_ := set $own "receiver-url" (include "nexus.url" (dict "root" .root "component" "receiver")) -}}
{{- $_ := set $own "cluster-type" "kubernetes" -}}
{{- $_ := set $own "runtime-namespace" (include "nexus.runtimeNamespace" .root) -}}
{{- if include "nexus.reachesShards" . -}}
{{- $_ := set $own "shard-kube-config-path" "/etc/nexus/shards" -}}
{{- end -}}
{{- $kubernetes := dict -}}
{{- if include "nexus.asksOwnCluster" . -}}
{{- $_ := set $kubernetes "service-account-path" "/var/run/secrets/kubernetes.io/serviceaccount" -}}
{{- end -}}
{{- if not (include "nexus.reachesShards" .) -}}
{{- $_ := set $kubernetes "cluster-name" $values.cluster.name -}}
{{- end -}}
{{- $_ := set $own "kubernetes" $kubernetes -}}
{{- end -}}
{{- if eq .component "scheduler" -}}
{{- $_ := set $own "catalogue" (dict "source" "kubernetes") -}}
{{- $_ := set $own "deploy-namespace" (include "nexus.templatesNamespace" .root) -}}
{{- end -}}
{{- toYaml (mergeOverwrite $own (deepCopy ($values.settings | default dict)) (deepCopy ((index $values .component).settings | default dict))) -}}
{{- end -}}

{{- /* A variable of a key of a secret, unless no secret is named: (list "VARIABLE" "secret" "key"). */ -}}
{{- define "nexus.secretVariable" -}}
{{- if index . 1 }}
- name: {{ index . 0 }}
  valueFrom:
    secretKeyRef:
      name: {{ index . 1 | quote }}
      key: {{ index . 2 | quote }}
{{- end }}
{{- end -}}

{{- define "nexus.env.cassandra" -}}
{{- with .Values.cassandra -}}
{{- if eq .type "scylla" }}
{{- include "nexus.secretVariable" (list "NEXUS__SCYLLA_CQL_STORE__USER" .existingSecret .keys.user) }}
{{- include "nexus.secretVariable" (list "NEXUS__SCYLLA_CQL_STORE__PASSWORD" .existingSecret .keys.password) }}
{{- else if eq .type "astra" }}
{{- include "nexus.secretVariable" (list "NEXUS__ASTRA_CQL_STORE__GATEWAY_USER" .existingSecret .keys.user) }}
{{- include "nexus.secretVariable" (list "NEXUS__ASTRA_CQL_STORE__GATEWAY_PASSWORD" .existingSecret .keys.password) }}
{{- include "nexus.secretVariable" (list "NEXUS__ASTRA_CQL_STORE__SECURE_CONNECTION_BUNDLE_BASE64" .existingSecret .keys.bundle) }}
{{- else }}
{{- include "nexus.secretVariable" (list "KEYSPACES_AWS_ACCESS_KEY_ID" .existingSecret .keys.user) }}
{{- include "nexus.secretVariable" (list "KEYSPACES_AWS_SECRET_ACCESS_KEY" .existingSecret .keys.password) }}
{{- end }}
{{- end -}}
{{- end -}}

{{- define "nexus.env" -}}
{{- $values := .root.Values -}}
- name: POD_IP
  valueFrom: {fieldRef: {fieldPath: status.podIP}}
- name: NEXUS__HOST_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- if eq .component "scheduler" }}
- name: NEXUS__CALLBACK_URL
  value: {{ $values.scheduler.callbackUrl | quote }}
{{- end }}
{{- include "nexus.env.cassandra" .root }}
{{- with $values.s3 }}
{{- if .path }}
{{- include "nexus.secretVariable" (list "NEXUS__S3_BUFFER__ACCESS_KEY_ID" .existingSecret .keys.accessKeyId) }}
{{- include "nexus.secretVariable" (list "NEXUS__S3_BUFFER__SECRET_ACCESS_KEY" .existingSecret .keys.secretAccessKey) }}
{{- end }}
{{- end }}
{{- include "nexus.secretVariable" (list "NEXUS__CALLBACK__SECRET" $values.callback.existingSecret $values.callback.key) }}
{{- include "nexus.secretVariable" (list "NEXUS__SIGNING__SECRET" $values.signing.existingSecret $values.signing.key) }}
{{- if eq .component "scheduler" }}
{{- include "nexus.secretVariable" (list "NEXUS__API_TOKENS" $values.apiTokens.existingSecret $values.apiTokens.key) }}
{{- end }}
{{- with (index $values .component).env }}
{{ toYaml . }}
{{- end }}
{{- end -}}
