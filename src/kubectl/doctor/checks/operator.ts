/** Whether the operator does what the SocketFleet asks for. A fleet of the chart has none. */
import { conditionOf } from '../../../fleet/pods.ts';
import { pickNumber } from '../../../kube/object.ts';
import type { Check } from '../examination.ts';

/** A moment between a change and the operator's answer to it is no fault. */
const ANSWER_MS = 60_000;

export const checkOperator: Check = ({ fleet: { socketFleet, deployment }, nowMs }) => {
	if (!socketFleet) {
		return [];
	}
	const generation = socketFleet.metadata.generation ?? 0;
	const seen = pickNumber(socketFleet, ['status', 'observedGeneration'], 0);
	const isNew = nowMs - (Date.parse(socketFleet.metadata.creationTimestamp ?? '') || 0) < ANSWER_MS;
	if (!isNew && (!deployment || seen < generation)) {
		const what = deployment ? `its spec is generation ${generation}, the operator has acted on ${seen}` : 'it has no Deployment';
		return [
			{
				id: 'operator-absent',
				seen: `The SocketFleet exists and ${what}.`,
				fix: 'See that an operator runs and watches this namespace: kubectl get pods -A -l app.kubernetes.io/name=socketfleet-operator.',
			},
		];
	}
	const degraded = conditionOf(socketFleet, 'Degraded');
	return degraded?.status === 'True' && degraded.reason === 'NotApplied'
		? [{ id: 'not-applied', seen: degraded.message ?? '', fix: 'Change the spec, or the rights of the operator, as the sentence says.' }]
		: [];
};
