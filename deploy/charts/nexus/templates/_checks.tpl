{{- /* What a schema can't say, or not in words: settings without which nothing would start. */ -}}
{{- define "nexus.checks" -}}
{{- include "nexus.checks.settings" (dict "where" "settings" "settings" .Values.settings) -}}
{{- range list "scheduler" "receiver" "supervisor" -}}
{{- include "nexus.checks.settings" (dict "where" (printf "%s.settings" .) "settings" (index $.Values .).settings) -}}
{{- end -}}
{{- range $component := include "nexus.services" . | fromJsonArray -}}
{{- $names := list -}}
{{- range include "nexus.env" (dict "root" $ "component" $component) | fromYamlArray -}}
{{- if has .name $names -}}
{{- fail (printf "%s.env: %s is there already, of a value of this chart" $component .name) -}}
{{- end -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- end -}}
{{- $values := .Values -}}
{{- if regexMatch "^[0-9]" (include "nexus.fullname" .) -}}
{{- fail (printf "fullnameOverride must be said, and begin with a letter: older Kubernetes takes no Service %s-scheduler" (include "nexus.fullname" .)) -}}
{{- end -}}
{{- $cassandra := $values.cassandra -}}
{{- if and (ne $cassandra.type "astra") (not $cassandra.hosts) -}}
{{- fail "cassandra.hosts must name at least one host" -}}
{{- end -}}
{{- if and (eq $cassandra.type "astra") (not $cassandra.existingSecret) -}}
{{- fail "cassandra.existingSecret must name a secret with user, password and bundle, which astra is reached by" -}}
{{- end -}}
{{- if and (ne $cassandra.type "scylla") (or $cassandra.tls.keys.certificate $cassandra.tls.keys.key) -}}
{{- fail (printf "cassandra.tls.keys.certificate and key are for scylla, and cassandra.type is %s" $cassandra.type) -}}
{{- end -}}
{{- if ne (empty $cassandra.tls.keys.certificate) (empty $cassandra.tls.keys.key) -}}
{{- fail "cassandra.tls.keys: certificate and key must be said together" -}}
{{- end -}}
{{- if and $values.scheduler.enabled (not $values.s3.path) -}}
{{- fail "s3.path must name a bucket, such as s3a://bucket/nexus" -}}
{{- end -}}
{{- if and (or $values.scheduler.enabled $values.supervisor.enabled) (not $values.cluster.name) (not $values.cluster.shards.existingSecret) -}}
{{- fail "cluster.name must say what workgroups call this cluster, or cluster.shards.existingSecret lead to others" -}}
{{- end -}}
{{- if and $values.controllerAccess.token (not $values.controllerAccess.create) -}}
{{- fail "controllerAccess.token is of the account that controllerAccess.create makes" -}}
{{- end -}}
{{- if and $values.networkPolicy.enabled $values.monitoring.serviceMonitor.enabled (not $values.networkPolicy.scrapers) -}}
{{- fail "networkPolicy.scrapers must say where Prometheus runs, which monitoring.serviceMonitor leads here" -}}
{{- end -}}
{{- if and $values.networkPolicy.enabled $values.networkPolicy.egress.enabled (not $values.networkPolicy.egress.to) -}}
{{- fail "networkPolicy.egress.to must have rules for the stores and the API servers, or nothing would be reached" -}}
{{- end -}}
{{- range list "scheduler" "receiver" -}}
{{- $scaling := (index $values .).autoscaling -}}
{{- if and (index $values .).enabled $scaling.enabled -}}
{{- if gt (int $scaling.min) (int $scaling.max) -}}
{{- fail (printf "%s.autoscaling.min must not be more than max" .) -}}
{{- end -}}
{{- if and (not $scaling.cpu) (not $scaling.queuedRuns) -}}
{{- fail (printf "%s.autoscaling must look at something: cpu%s" . (ternary " or queuedRuns" "" (eq . "scheduler"))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Settings end in a config map, which many may read, and services refuse what is no setting. Of some, other objects
are made too, or variables that win over the file. */ -}}
{{- define "nexus.checks.settings" -}}
{{- range $key, $_ := .settings -}}
{{- if ne $key (kebabcase $key) -}}
{{- fail (printf "%s.%s: is no setting; names are written like %s" $.where $key (kebabcase $key)) -}}
{{- end -}}
{{- end -}}
{{- $secret := "is a secret, which nobody is to read here: use %s" -}}
{{- $shared := "is known to more of this chart than the service: use %s" -}}
{{- $refused := dict
  "api-tokens" (printf $secret "apiTokens.existingSecret")
  "callback.secret" (printf $secret "callback.existingSecret")
  "signing.secret" (printf $secret "signing.existingSecret")
  "scylla-cql-store.password" (printf $secret "cassandra.existingSecret")
  "astra-cql-store.gateway-password" (printf $secret "cassandra.existingSecret")
  "astra-cql-store.secure-connection-bundle-base64" (printf $secret "cassandra.existingSecret")
  "s3-buffer.secret-access-key" (printf $secret "s3.existingSecret")
  "s3-buffer.session-token" (printf $secret "a variable of env")
  "s3-buffer.request-payload-proxy-configuration.sign-secret" (printf $secret "signing.existingSecret")
  "unready-grace" (printf $shared "unreadyGraceSeconds")
  "drain-timeout" (printf $shared "drainSeconds")
  "runtime-namespace" (printf $shared "runtimeNamespace")
  "deploy-namespace" (printf $shared "templatesNamespace")
  "cql-store-type" (printf $shared "cassandra.type")
  "callback-url" (printf $shared "scheduler.callbackUrl")
  "listen.port" "is known to more of this chart than the service: it can't be changed"
  "host-name" "is the name of the pod"
-}}
{{- range $path, $why := $refused -}}
{{- $said := $.settings -}}
{{- range splitList "." $path -}}
{{- $said = ternary (get (ternary $said dict (kindIs "map" $said)) .) "" (kindIs "map" $said) -}}
{{- end -}}
{{- if $said -}}
{{- fail (printf "%s.%s %s" $.where $path $why) -}}
{{- end -}}
{{- end -}}
{{- end -}}
