{{- define "cabrank.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- /* What is said of every object; the argument is a list: root, component. */ -}}
{{- define "cabrank.labels" -}}
{{- $root := index . 0 -}}
{{ include "cabrank.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- end -}}

{{- define "cabrank.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
{{- with index . 1 }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end -}}

{{- define "cabrank.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "cabrank.name" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "cabrank.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "cabrank.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "cabrank.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- /* Environment of a service; the argument is a list: root, component. */ -}}
{{- define "cabrank.env" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- $values := $root.Values -}}
- {name: CABRANK_HOST, value: 0.0.0.0}
- {name: CABRANK_NATS_URL, value: {{ $values.nats.url | quote }}}
- {name: CABRANK_REPLICAS, value: {{ $values.nats.replicas | quote }}}
{{- if $values.secrets.natsSeeds.name }}
- {name: CABRANK_NATS_NKEY_SEED_FILE, value: /etc/cabrank/nats/{{ $component }}.nk}
{{- end }}
{{- if $values.secrets.natsCa.name }}
- {name: CABRANK_NATS_TLS_CA, value: /etc/cabrank/nats-ca/{{ $values.secrets.natsCa.key }}}
{{- end }}
{{- if not (has $component (list "dispatcher" "webhooks")) }}
- {name: CABRANK_REGION, value: {{ first $values.regions | quote }}}
{{- end }}
{{- if eq $component "gateway" }}
- {name: CABRANK_PORT, value: "8000"}
- {name: CABRANK_OPS_PORT, value: "9000"}
- {name: CABRANK_VERIFY_KEYS_FILE, value: /etc/cabrank/verify/{{ $values.secrets.verifyKeys.key }}}
{{- else }}
- {name: CABRANK_OPS_PORT, value: "9000"}
{{- end }}
{{- if has $component (list "dispatcher" "operator") }}
- {name: CABRANK_REGIONS, value: {{ join "," $values.regions | quote }}}
{{- with $values.nats.monitoringUrls }}
- {name: CABRANK_NATS_MONITORING_URLS, value: {{ join "," . | quote }}}
{{- end }}
{{- end }}
{{- if has $component (list "persistence" "operator") }}
- {name: CABRANK_DATABASE_URL_FILE, value: /etc/cabrank/database/{{ $values.secrets.database.key }}}
- {name: CABRANK_SIGNING_KEY_FILE, value: /etc/cabrank/signing/{{ $values.secrets.signingKey.key }}}
- {name: CABRANK_VERIFY_KEYS_FILE, value: /etc/cabrank/verify/{{ $values.secrets.verifyKeys.key }}}
{{- end }}
{{- if eq $component "operator" }}
{{- $urls := list }}
{{- range list "gateway" "dispatcher" "persistence" "webhooks" }}
{{- $urls = append $urls (printf "http://%s-%s-pods:9000" (include "cabrank.name" $root) .) }}
{{- end }}
- {name: CABRANK_METRICS_URLS, value: {{ join "," $urls | quote }}}
{{- end }}
{{- range $name, $value := merge (dict) (index $values $component).settings $values.settings }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end -}}

{{- /* Whole directories, so that a Secret that changes is seen. List: root, component. */ -}}
{{- define "cabrank.mounts" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- $secrets := $root.Values.secrets -}}
- {name: tmp, mountPath: /tmp}
{{- if $secrets.natsSeeds.name }}
- {name: nats, mountPath: /etc/cabrank/nats, readOnly: true}
{{- end }}
{{- if $secrets.natsCa.name }}
- {name: nats-ca, mountPath: /etc/cabrank/nats-ca, readOnly: true}
{{- end }}
{{- if not (has $component (list "dispatcher" "webhooks")) }}
- {name: verify, mountPath: /etc/cabrank/verify, readOnly: true}
{{- end }}
{{- if has $component (list "persistence" "operator") }}
- {name: database, mountPath: /etc/cabrank/database, readOnly: true}
- {name: signing, mountPath: /etc/cabrank/signing, readOnly: true}
{{- end }}
{{- end -}}

{{- /* The Secret with the database's URL and authority; the argument: secrets.database. */ -}}
{{- define "cabrank.database" -}}
secretName: {{ .name }}
defaultMode: 0440
items:
  - {key: {{ .key }}, path: {{ .key }}}
  {{- with .ca }}
  - {key: {{ . }}, path: {{ . }}}
  {{- end }}
{{- end -}}

{{- define "cabrank.volumes" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- $secrets := $root.Values.secrets -}}
- name: tmp
  emptyDir: {medium: Memory, sizeLimit: 64Mi}
{{- if $secrets.natsSeeds.name }}
- name: nats
  secret:
    secretName: {{ $secrets.natsSeeds.name }}
    defaultMode: 0440
    # No service is given another's; with the dispatcher's an operator begins a ledger.
    items:
      - {key: {{ $component }}.nk, path: {{ $component }}.nk}
      {{- if eq $component "operator" }}
      - {key: dispatcher.nk, path: dispatcher.nk}
      {{- end }}
{{- end }}
{{- if $secrets.natsCa.name }}
- name: nats-ca
  secret:
    secretName: {{ $secrets.natsCa.name }}
    defaultMode: 0440
    items: [{key: {{ $secrets.natsCa.key }}, path: {{ $secrets.natsCa.key }}}]
{{- end }}
{{- if not (has $component (list "dispatcher" "webhooks")) }}
- name: verify
  secret:
    secretName: {{ $secrets.verifyKeys.name }}
    defaultMode: 0440
    items: [{key: {{ $secrets.verifyKeys.key }}, path: {{ $secrets.verifyKeys.key }}}]
{{- end }}
{{- if has $component (list "persistence" "operator") }}
- name: database
  secret:
    {{- include "cabrank.database" $secrets.database | nindent 4 }}
- name: signing
  secret:
    secretName: {{ $secrets.signingKey.name }}
    defaultMode: 0440
    items: [{key: {{ $secrets.signingKey.key }}, path: {{ $secrets.signingKey.key }}}]
{{- end }}
{{- end -}}

{{- /* The pods of a Deployment; the argument is a list: root, component. */ -}}
{{- define "cabrank.pods" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- $own := index $root.Values $component -}}
metadata:
  labels:
    {{- include "cabrank.labels" . | nindent 4 }}
spec:
  serviceAccountName: {{ include "cabrank.serviceAccount" $root }}
  automountServiceAccountToken: false
  # The drain is cut off after 20 s, and begins after the preStop's 5 s.
  terminationGracePeriodSeconds: 40
  securityContext:
    {{- include "cabrank.podSecurity" $root | nindent 4 }}
  {{- with $root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $own.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $own.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "cabrank.selector" $ | nindent 10 }}
    {{- end }}
  containers:
    - name: {{ $component }}
      image: {{ include "cabrank.image" $root }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: [{{ $component }}]
      env:
        {{- include "cabrank.env" . | nindent 8 }}
      ports:
        {{- if eq $component "gateway" }}
        - {name: http, containerPort: 8000}
        {{- end }}
        - {name: ops, containerPort: 9000}
      startupProbe:
        httpGet: {path: /healthz, port: ops}
        periodSeconds: 2
        failureThreshold: 60
      livenessProbe:
        httpGet: {path: /healthz, port: ops}
        periodSeconds: 10
        timeoutSeconds: 5
      readinessProbe:
        httpGet: {path: /readyz, port: ops}
        periodSeconds: 2
        timeoutSeconds: 2
      {{- if eq $component "gateway" }}
      lifecycle:
        preStop:
          # Until no load balancer sends anybody here any more.
          sleep: {seconds: 5}
      {{- end }}
      securityContext:
        {{- include "cabrank.containerSecurity" $root | nindent 8 }}
      resources:
        {{- toYaml $own.resources | nindent 8 }}
      volumeMounts:
        {{- include "cabrank.mounts" . | nindent 8 }}
  volumes:
    {{- include "cabrank.volumes" . | nindent 4 }}
{{- end -}}
