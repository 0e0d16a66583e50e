{{- /* What things are called. */ -}}

{{- /* Names of Services have no dots, which those of releases may have. */ -}}
{{- define "nexus.fullname" -}}
{{- $release := .Release.Name | replace "." "-" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 48 | trimSuffix "-" }}
{{- else if contains "nexus" $release -}}
{{ $release | trunc 48 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-nexus" $release | trunc 48 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{- define "nexus.runtimeNamespace" -}}
{{ .Values.runtimeNamespace | default .Release.Namespace }}
{{- end -}}

{{- define "nexus.templatesNamespace" -}}
{{ .Values.templatesNamespace | default .Release.Namespace }}
{{- end -}}

{{- /* What selects pods. These can't be changed in a cluster, so nothing that may change is among them: neither
versions nor values. Takes (dict "root" $ "component" "scheduler"). */ -}}
{{- define "nexus.selector" -}}
app.kubernetes.io/name: nexus
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- /* All labels of an object; takes the same. */ -}}
{{- define "nexus.labels" -}}
{{ include "nexus.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "nexus.image" -}}
{{- $image := .root.Values.image -}}
{{- with $image.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{ (index .root.Values .component).image }}:{{ $image.tag | default .root.Chart.AppVersion }}
{{- end -}}

{{- define "nexus.serviceAccount" -}}
{{ (index .root.Values .component).serviceAccount.name | default (printf "%s-%s" (include "nexus.fullname" .root) .component) }}
{{- end -}}

{{- define "nexus.port" -}}
{{ get (dict "scheduler" 8080 "receiver" 8081 "supervisor" 8082) .component }}
{{- end -}}

{{- /* Where a service is reached by others; takes the same. */ -}}
{{- define "nexus.url" -}}
{{- $said := get .root.Values.urls .component -}}
{{- if $said -}}
{{ trimSuffix "/" $said }}
{{- else if (index .root.Values .component).enabled -}}
http://{{ include "nexus.fullname" .root }}-{{ .component }}.{{ .root.Release.Namespace }}:{{ include "nexus.port" . }}
{{- else -}}
{{- fail (printf "urls.%s must be said, since this release has no %s: where algorithms reach it" .component .component) -}}
{{- end -}}
{{- end -}}

{{- /* The services that are on, as a list in JSON. */ -}}
{{- define "nexus.services" -}}
{{- $on := list -}}
{{- range list "scheduler" "receiver" "supervisor" -}}
{{- if (index $.Values .).enabled -}}{{- $on = append $on . -}}{{- end -}}
{{- end -}}
{{ toJson $on }}
{{- end -}}

{{- /* "true" for a service that asks the API server of its own cluster, as itself. */ -}}
{{- define "nexus.asksOwnCluster" -}}
{{- if or (eq .component "scheduler") (and (eq .component "supervisor") (not .root.Values.cluster.shards.existingSecret)) -}}
true
{{- end -}}
{{- end -}}

{{- /* "true" for a service that has Jobs run in other clusters. */ -}}
{{- define "nexus.reachesShards" -}}
{{- if and (ne .component "receiver") .root.Values.cluster.shards.existingSecret -}}
true
{{- end -}}
{{- end -}}
