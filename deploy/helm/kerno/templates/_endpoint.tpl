{{/* An endpoint of a PodMonitor or a ServiceMonitor. */}}
{{- define "kerno.endpoint" -}}
port: metrics
interval: {{ .Values.monitor.interval }}
relabelings:
  # The rules tell hosts apart by this.
  - sourceLabels: [__meta_kubernetes_pod_node_name]
    targetLabel: node
  {{- range $label, $of := .Values.monitor.nodeLabels }}
  - sourceLabels: [__meta_kubernetes_node_label_{{ regexReplaceAll "[^a-zA-Z0-9_]" $of "_" }}]
    targetLabel: {{ $label }}
  {{- end }}
  # `namespace`, `pod` and `container` are whose the DNS queries are, not where kerno
  # runs: with those of the target they would become `exported_namespace`.
  - action: labeldrop
    regex: namespace|pod|container|endpoint{{ if eq .Values.monitor.kind "ServiceMonitor" }}|service{{ end }}
{{- end }}
