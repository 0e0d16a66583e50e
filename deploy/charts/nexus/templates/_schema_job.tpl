{{- /* Takes root, component, name, hook and arguments. */ -}}
{{- define "nexus.schemaJob" -}}
{{- $values := .root.Values -}}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "nexus.labels" . | nindent 4 }}
  annotations:
    helm.sh/hook: {{ .hook }}
    helm.sh/hook-weight: "0"
    # One that failed stays, and what it said with it.
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  backoffLimit: 3
  activeDeadlineSeconds: 900
  template:
    metadata:
      labels:
        {{- include "nexus.podLabels" . | nindent 8 }}
      {{- with $values.schema.podAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      restartPolicy: Never
      serviceAccountName: {{ include "nexus.serviceAccount" . }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      securityContext:
        {{- toYaml $values.podSecurityContext | nindent 8 }}
      {{- include "nexus.pullSecrets" .root | nindent 6 }}
      {{- include "nexus.placement" . | nindent 6 }}
      containers:
        - name: schema
          image: {{ include "nexus.image" . | quote }}
          imagePullPolicy: {{ $values.image.pullPolicy }}
          command: [nexus-schema]
          args: {{ toJson .arguments }}
          {{- with include "nexus.env.cassandra" .root }}
          env:
            {{- . | nindent 12 }}
          {{- end }}
          resources:
            {{- toYaml $values.schema.resources | nindent 12 }}
          securityContext:
            {{- include "nexus.containerSecurity" .root | nindent 12 }}
          volumeMounts:
            - {name: settings, mountPath: /etc/nexus/settings, readOnly: true}
            - {name: tmp, mountPath: /tmp}
            {{- include "nexus.mounts.cassandra" .root | nindent 12 }}
      volumes:
        - name: settings
          configMap: {name: {{ include "nexus.fullname" .root }}-schema}
        - name: tmp
          emptyDir: {sizeLimit: 64Mi}
        {{- include "nexus.volumes.cassandra" .root | nindent 8 }}
{{- end -}}
