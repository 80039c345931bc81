/** Every check of the doctor. One file a subject; each check is pure. */
import { checkDrain } from './checks/drain.ts';
import { checkLimits } from './checks/limits.ts';
import { checkMessages } from './checks/messages.ts';
import { checkOperator } from './checks/operator.ts';
import { checkPods } from './checks/pods.ts';
import { checkRequests } from './checks/requests.ts';
import { checkRoutes } from './checks/routes.ts';
import type { Check, Examination } from './examination.ts';
import { type Finding, type Severity, severityOf } from './findings.ts';

const CHECKS: readonly Check[] = [checkOperator, checkPods, checkMessages, checkLimits, checkDrain, checkRoutes, checkRequests];
const ORDER: readonly Severity[] = ['error', 'warning', 'note'];

/** The worst first. */
export function diagnose(examination: Examination): readonly Finding[] {
	const unread = examination.unread.map(
		(seen): Finding => ({ id: 'not-looked-at', seen, fix: 'Ask for the right to read it, or look at it yourself.' }),
	);
	const findings = [...CHECKS.flatMap((check) => check(examination)), ...unread];
	return findings.toSorted((a, b) => ORDER.indexOf(severityOf(a)) - ORDER.indexOf(severityOf(b)));
}
