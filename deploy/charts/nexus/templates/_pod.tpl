{{- /* Pods, as far as they are alike. */ -}}

{{- define "nexus.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- /* What any pod may reach where egress is limited: names, and what is said. */ -}}
{{- define "nexus.egress.shared" -}}
- ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
{{ toYaml .egress.to }}
{{- end -}}

{{- define "nexus.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* On which nodes, and before whom: what values say of services and of the schema's Job. */ -}}
{{- define "nexus.placement" -}}
{{- $said := index .root.Values .component -}}
{{- with $said.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with $said.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $said.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $said.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* Labels of pods, of which those that select them are not changed. */ -}}
{{- define "nexus.podLabels" -}}
{{ include "nexus.labels" . }}
{{- with (index .root.Values .component).podLabels }}
{{- with omit . "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* The files of stores, where there are any: of services and of the schema's Job. */ -}}
{{- define "nexus.mounts.cassandra" -}}
{{- if .Values.cassandra.tls.existingSecret }}
- {name: cassandra, mountPath: /etc/nexus/cassandra, readOnly: true}
{{- end }}
{{- end -}}

{{- define "nexus.volumes.cassandra" -}}
{{- with .Values.cassandra.tls.existingSecret }}
- name: cassandra
  secret: {secretName: {{ . | quote }}, defaultMode: 0440}
{{- end }}
{{- end -}}

{{- define "nexus.mounts" -}}
- {name: settings, mountPath: /etc/nexus/settings, readOnly: true}
# For certificates that the driver and TLS want as files, for a moment.
- {name: tmp, mountPath: /tmp}
{{- include "nexus.mounts.cassandra" .root }}
{{- if and .root.Values.s3.path .root.Values.s3.tls.existingSecret }}
- {name: s3, mountPath: /etc/nexus/s3, readOnly: true}
{{- end }}
{{- if include "nexus.reachesShards" . }}
- {name: shards, mountPath: /etc/nexus/shards, readOnly: true}
{{- end }}
{{- if include "nexus.asksOwnCluster" . }}
- {name: service-account, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
{{- end }}
{{- end -}}

{{- define "nexus.volumes" -}}
- name: settings
  configMap: {name: {{ include "nexus.fullname" .root }}-{{ .component }}}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
{{- include "nexus.volumes.cassandra" .root }}
{{- with .root.Values.s3 }}
{{- if and .path .tls.existingSecret }}
- name: s3
  secret: {secretName: {{ .tls.existingSecret | quote }}, defaultMode: 0440}
{{- end }}
{{- end }}
{{- if include "nexus.reachesShards" . }}
- name: shards
  secret: {secretName: {{ .root.Values.cluster.shards.existingSecret | quote }}, defaultMode: 0440}
{{- end }}
{{- if include "nexus.asksOwnCluster" . }}
- name: service-account
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken: {path: token, expirationSeconds: 3600}
      - configMap:
          name: kube-root-ca.crt
          items: [{key: ca.crt, path: ca.crt}]
{{- end }}
{{- end -}}

{{- define "nexus.spread" -}}
{{- if .root.Values.topologySpread.enabled }}
topologySpreadConstraints:
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    # A cluster without zones is no reason to run nothing.
    whenUnsatisfiable: {{ ternary $.root.Values.topologySpread.whenUnsatisfiable "ScheduleAnyway" (eq . "kubernetes.io/hostname") }}
    # A node that takes none, such as one of the control plane, would else count as one that has none yet, and with
    # `DoNotSchedule` no other node would get a second pod.
    nodeTaintsPolicy: Honor
    labelSelector:
      matchLabels:
        {{- include "nexus.selector" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end }}
{{- end -}}
