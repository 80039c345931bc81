/** Alerts -> rules as Prometheus reads them, and -> the template from which the chart makes the same for a release. */
import { type Alert, alertName, runbookFile } from './alert.ts';
import { ALERTS } from './alerts.ts';

export const RUNBOOKS = 'https://github.com/socketfleet/socketfleet/blob/main/docs/runbooks';

export interface Rule {
	readonly alert: string;
	readonly expr: string;
	readonly for: string;
	readonly labels: { readonly severity: string; readonly fleet: string };
	readonly annotations: { readonly summary: string; readonly runbook_url: string };
}

/** What `monitoring.rules.alerts.<key>` holds in the chart's values. */
export interface AlertValues {
	readonly enabled: boolean;
	readonly for: string;
	readonly [time: string]: string | boolean;
}

/** The shipped values of every alert. */
export function alertValues(): Record<string, AlertValues> {
	return Object.fromEntries(ALERTS.map((alert) => [alert.key, { enabled: true, for: alert.for, ...alert.times }]));
}

/** The rules of a fleet, as the chart renders them with its default values. */
export function buildRules(namespace: string, fleet: string): Rule[] {
	return ALERTS.map((alert) => ({
		alert: alertName(alert),
		expr: fill(alert.expr, { ...alert.times, pods: `namespace="${namespace}", pod=~"${fleet}-[^-]+-[^-]+"` }),
		for: alert.for,
		labels: { severity: alert.severity, fleet },
		annotations: { summary: fill(alert.summary, { pod: '{{ $labels.pod }}' }), runbook_url: `${RUNBOOKS}/${runbookFile(alert)}` },
	}));
}

const TEMPLATE_HEAD = `{{- /* Generated from scripts/alerts/ by \`npm run generate\`; templates/prometheusrule.yaml renders it. */}}
{{- $root := . }}
{{- $pods := printf "namespace=%q, pod=~%q" .Release.Namespace (printf "%s-[^-]+-[^-]+" (include "socketfleet.fullname" .)) }}
`;

/** helm/socketfleet/rules/alerts.yaml */
export function renderRulesTemplate(): string {
	return TEMPLATE_HEAD + ALERTS.map(renderAlertTemplate).join('');
}

function renderAlertTemplate(alert: Alert): string {
	const times = Object.fromEntries(Object.keys(alert.times ?? {}).map((time) => [time, `{{ .${time} }}`]));
	// The braces of a selector and those of the template must not touch.
	const expr = fill(alert.expr, { ...times, pods: ' {{- $pods -}} ' });
	const summary = fill(alert.summary, { pod: '{{ "{{ $labels.pod }}" }}' });
	const condition = alert.needsRedis ? 'and .enabled (ne $root.Values.redis.source "none")' : '.enabled';
	return `{{- with .Values.monitoring.rules.alerts.${alert.key} }}
{{- if ${condition} }}
- alert: ${alertName(alert)}
  expr: |-
${expr.replace(/^/gm, '    ')}
  for: {{ .for }}
  labels: { severity: ${alert.severity}, fleet: {{ include "socketfleet.fullname" $root }} }
  annotations:
    summary: "${summary}"
    runbook_url: {{ $root.Values.monitoring.rules.runbookBase }}/${runbookFile(alert)}
{{- end }}
{{- end }}
`;
}

/** `$name` -> its value. Throws for a name that has none. */
function fill(text: string, values: Readonly<Record<string, string>>): string {
	return text.replace(/\$(\w+)/g, (placeholder, name: string) => {
		const value = values[name];
		if (value === undefined) {
			throw new Error(`nothing to put in for ${placeholder} in: ${text}`);
		}
		return value;
	});
}
