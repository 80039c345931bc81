/** The files of a small application. */
import type { KubeObject } from '../../kube/object.ts';
import type { FleetInput } from './names.ts';
import { frame } from './object.ts';

export function buildAppConfigMap(fleet: FleetInput): KubeObject | undefined {
	const { files } = fleet.spec.app;
	return Object.keys(files).length === 0 ? undefined : frame(fleet, 'ConfigMap', { suffix: '-app' }, { data: files });
}
