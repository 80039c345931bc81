/** The container of a pod that runs Socketfleet, and what its object says. Pure. */
import { envNameOf, type OptionKey } from '../config/schema.ts';
import { type KubeObject, pick, pickText } from '../kube/object.ts';

/** Sidecars may be injected before it or after it. */
export function fleetContainer(pod: KubeObject): unknown {
	return asList(pick(pod, 'spec', 'containers')).find((each) => pickText(each, 'name') === 'socketfleet');
}

export function fleetContainerStatus(pod: KubeObject): unknown {
	return asList(pick(pod, 'status', 'containerStatuses')).find((each) => pickText(each, 'name') === 'socketfleet');
}

/** The entry of an option in the container's environment. */
export function envEntry(pod: KubeObject, option: OptionKey): unknown {
	return asList(pick(fleetContainer(pod), 'env')).find((each) => pickText(each, 'name') === envNameOf(option));
}

/** Seconds that Kubernetes itself waits before it signals the process. */
export function preStopSeconds(pod: KubeObject): number {
	const seconds = pick(fleetContainer(pod), 'lifecycle', 'preStop', 'sleep', 'seconds');
	return typeof seconds === 'number' ? seconds : 0;
}

export function asList(value: unknown): readonly unknown[] {
	return Array.isArray(value) ? value : [];
}
