{{- /* The least that each needs, as deploy/rbac has it; a test compares them. */ -}}

{{- define "nexus.rights.catalogue" -}}
- apiGroups: [science.sneaksanddata.com]
  resources: [nexusalgorithmtemplates, nexusalgorithmworkgroups]
  verbs: [list, watch]
# Conditions. Without it they are not written, and all else works.
- apiGroups: [science.sneaksanddata.com]
  resources: [nexusalgorithmtemplates/status, nexusalgorithmworkgroups/status]
  verbs: [patch]
{{- end -}}

{{- define "nexus.rights.schedulerRuns" -}}
# `patch`: to let the children of a Job go before it is deleted alone.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [create, get, list, delete, patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
# What runs print. Without it the API shows none of it, and all else works.
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
{{- end -}}

{{- define "nexus.rights.supervisorRuns" -}}
# `create`: runs that a dead scheduler left behind. `patch`: as a scheduler's.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [create, get, list, watch, delete, patch]
- apiGroups: [""]
  resources: [pods, events]
  verbs: [list, watch]
# The ends of failed runs' logs. Without it none are kept, and all else works.
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
{{- end -}}

{{- /* A role and its binding; takes root, component, name, namespace, account and rights. */ -}}
{{- define "nexus.role" -}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ include "nexus.fullname" .root }}-{{ .name }}
  namespace: {{ .namespace }}
  labels:
    {{- include "nexus.labels" . | nindent 4 }}
rules:
  {{- include .rights .root | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ include "nexus.fullname" .root }}-{{ .name }}
  namespace: {{ .namespace }}
  labels:
    {{- include "nexus.labels" . | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ include "nexus.fullname" .root }}-{{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ .account }}
    namespace: {{ .root.Release.Namespace }}
{{ end -}}
