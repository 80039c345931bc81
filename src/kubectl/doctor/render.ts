/** What the doctor says, for people and for programs. Pure. */
import { originOf } from '../fleets.ts';
import type { Examination } from './examination.ts';
import { type Finding, type Severity, severityOf } from './findings.ts';

const WORDS: Readonly<Record<Severity, string>> = { error: 'ERROR', warning: 'WARNING', note: 'NOTE' };

export function renderText(examination: Examination, findings: readonly Finding[]): string {
	const { fleet, pods, probes, asked } = examination;
	const answers = pods.filter(({ status }) => status !== undefined).length;
	const tried = asked ? `${probes.map(({ url }) => url).join(', ') || 'no address'} tried` : 'no requests sent';
	const head = `fleet ${fleet.name} in namespace ${fleet.namespace}, a ${originOf(fleet)}: ${answers} of ${pods.length} pods looked at, ${tried}\n`;
	const blocks = findings.map((finding) => `${WORDS[severityOf(finding)]} ${finding.id}\n  ${finding.seen}\n  Fix: ${finding.fix}\n`);
	return [head, ...blocks, `${summarize(findings)}\n`].join('\n');
}

export function renderJson({ fleet, pods, probes, routes }: Examination, findings: readonly Finding[]): string {
	const report = {
		fleet: fleet.name,
		namespace: fleet.namespace,
		origin: originOf(fleet),
		pods: pods.map(({ pod, status }) => ({ name: pod.name, answered: status !== undefined })),
		routes,
		probes,
		findings: findings.map((finding) => ({ severity: severityOf(finding), ...finding })),
	};
	return `${JSON.stringify(report, undefined, 2)}\n`;
}

function summarize(findings: readonly Finding[]): string {
	const count = (severity: Severity): number => findings.filter((finding) => severityOf(finding) === severity).length;
	const [errors, warnings] = [count('error'), count('warning')];
	return errors + warnings === 0
		? 'Nothing wrong was found.'
		: `${errors} error${errors === 1 ? '' : 's'}, ${warnings} warning${warnings === 1 ? '' : 's'}.`;
}
