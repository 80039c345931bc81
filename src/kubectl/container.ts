/** The container of a pod that runs Socketfleet, and what its object says. Pure. */
import { envNameOf, type OptionKey } from '../config/schema.ts';
import { type KubeObject, pickList, pickNumber, pickText } from '../kube/object.ts';

/** Sidecars may be injected before it or after it. */
export function fleetContainer(pod: KubeObject): unknown {
	return pickList(pod, 'spec', 'containers').find((each) => pickText(each, 'name') === 'socketfleet');
}

export function fleetContainerStatus(pod: KubeObject): unknown {
	return pickList(pod, 'status', 'containerStatuses').find((each) => pickText(each, 'name') === 'socketfleet');
}

/** The entry of an option in the container's environment. */
export function envEntry(pod: KubeObject, option: OptionKey): unknown {
	return pickList(fleetContainer(pod), 'env').find((each) => pickText(each, 'name') === envNameOf(option));
}

/** Seconds that Kubernetes itself waits before it signals the process. */
export function preStopSeconds(pod: KubeObject): number {
	return pickNumber(fleetContainer(pod), ['lifecycle', 'preStop', 'sleep', 'seconds']);
}
