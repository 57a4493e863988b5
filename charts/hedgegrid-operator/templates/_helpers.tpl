{{- define "hedgegrid-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Name of the chart's objects: room is left for what is added to it. */}}
{{- define "hedgegrid-operator.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "hedgegrid-operator.serviceAccountName" -}}
{{- $default := ternary (include "hedgegrid-operator.fullname" .) "default" .Values.serviceAccount.create -}}
{{- default $default .Values.serviceAccount.name -}}
{{- end -}}

{{- define "hedgegrid-operator.priorityClassName" -}}
{{- $default := ternary (include "hedgegrid-operator.fullname" .) "" .Values.priorityClass.create -}}
{{- default $default .Values.priorityClass.name -}}
{{- end -}}

{{- define "hedgegrid-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "hedgegrid-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{/* The same as a text, key=value with commas. */}}
{{- define "hedgegrid-operator.selectorText" -}}
{{- $parts := list -}}
{{- range $key, $value := include "hedgegrid-operator.selectorLabels" . | fromYaml -}}
{{- $parts = append $parts (printf "%s=%s" $key $value) -}}
{{- end -}}
{{- join "," $parts -}}
{{- end -}}

{{- define "hedgegrid-operator.apiServerPorts" -}}
{{- $parts := list -}}
{{- range .Values.networkPolicy.apiServer.ports -}}
{{- $parts = append $parts (. | int64 | toString) -}}
{{- end -}}
{{- join "," $parts -}}
{{- end -}}

{{/* Labels of every object; hooks' pods overwrite the component, so that no selector takes them for an operator. */}}
{{- define "hedgegrid-operator.labels" -}}
{{- $ours := include "hedgegrid-operator.selectorLabels" . | fromYaml -}}
{{- $_ := set $ours "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") -}}
{{- $_ := set $ours "app.kubernetes.io/version" .Chart.AppVersion -}}
{{- $_ := set $ours "app.kubernetes.io/managed-by" .Release.Service -}}
{{- $_ := set $ours "app.kubernetes.io/part-of" "hedgegrid" -}}
{{- merge $ours .Values.commonLabels | toYaml -}}
{{- end -}}

{{- define "hedgegrid-operator.hookLabels" -}}
{{- $labels := include "hedgegrid-operator.labels" . | fromYaml -}}
{{- set $labels "app.kubernetes.io/component" "hook" | toYaml -}}
{{- end -}}

{{/* Repository with the registry before it; called with a list: root, repository. */}}
{{- define "hedgegrid-operator.repository" -}}
{{- $registry := (index . 0).Values.imageRegistry | trimSuffix "/" -}}
{{- ternary (printf "%s/%s" $registry (index . 1)) (index . 1) (ne $registry "") -}}
{{- end -}}

{{- define "hedgegrid-operator.image" -}}
{{- $repository := include "hedgegrid-operator.repository" (list . .Values.image.repository) -}}
{{- if .Values.image.digest -}}
{{ $repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ $repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "hedgegrid-operator.podSecurityContext" -}}
runAsNonRoot: true
{{- with .Values.runAsUser }}
runAsUser: {{ . | int64 }}
runAsGroup: {{ . | int64 }}
fsGroup: {{ . | int64 }}
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "hedgegrid-operator.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Where the API server is and how to authenticate: mounted by the chart itself, not by the cluster's default. */}}
{{- define "hedgegrid-operator.serviceAccountDir" -}}
/var/run/secrets/kubernetes.io/serviceaccount
{{- end -}}

{{- define "hedgegrid-operator.volumes" -}}
- name: service-account
  projected:
    defaultMode: 0444
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: 3600
      - configMap:
          name: kube-root-ca.crt
          items:
            - key: ca.crt
              path: ca.crt
      - downwardAPI:
          items:
            - path: namespace
              fieldRef:
                apiVersion: v1
                fieldPath: metadata.namespace
- name: tmp
  emptyDir:
    sizeLimit: 64Mi
{{- end -}}

{{- define "hedgegrid-operator.volumeMounts" -}}
- name: service-account
  mountPath: {{ include "hedgegrid-operator.serviceAccountDir" . }}
  readOnly: true
- name: tmp
  mountPath: /tmp
{{- end -}}

{{/* What every program of the operator image has to know: where it is, and whose grids are its own. */}}
{{- define "hedgegrid-operator.commonEnv" -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: HEDGEGRID_OPERATOR_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: HEDGEGRID_OPERATOR_SERVICE_ACCOUNT_DIR
  value: {{ include "hedgegrid-operator.serviceAccountDir" . }}
- name: HEDGEGRID_OPERATOR_WATCH_NAMESPACES
  value: {{ join "," .Values.watchNamespaces | quote }}
- name: HEDGEGRID_OPERATOR_INSTALLATION
  value: {{ .Values.installation | quote }}
{{- end -}}

{{/* The pod of a hook: a program of the operator image. Called with root, program, account and args. */}}
{{- define "hedgegrid-operator.hookPod" -}}
{{- $root := .root -}}
serviceAccountName: {{ .account }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "hedgegrid-operator.podSecurityContext" $root | nindent 2 }}
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
containers:
  - name: {{ .program }}
    image: {{ include "hedgegrid-operator.image" $root }}
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    command: [python, -m, hedgegrid_operator.{{ .program }}]
    {{- with .args }}
    args:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    env:
      {{- include "hedgegrid-operator.commonEnv" $root | nindent 6 }}
      {{- with $root.Values.extraEnv }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    terminationMessagePolicy: FallbackToLogsOnError
    resources:
      requests:
        cpu: 50m
        memory: 96Mi
      limits:
        memory: 256Mi
    securityContext:
      {{- include "hedgegrid-operator.securityContext" $root | nindent 6 }}
    volumeMounts:
      {{- include "hedgegrid-operator.volumeMounts" $root | nindent 6 }}
volumes:
  {{- include "hedgegrid-operator.volumes" $root | nindent 2 }}
{{- with $root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Namespace of the grid that `helm test` makes. */}}
{{- define "hedgegrid-operator.testNamespace" -}}
{{- .Values.tests.namespace | default (first .Values.watchNamespaces) | default .Release.Namespace -}}
{{- end -}}
