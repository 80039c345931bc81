/** Generated Secrets. What exists is kept; the fleet key is rotated in two steps. Randomness is handed in. */
import type { KubeObject } from '../../kube/object.ts';
import { secretText } from '../../kube/object.ts';
import { apiSecretName, type FleetInput, fleetKeySecretName, redisSecretName } from './names.ts';
import { frame } from './object.ts';

const ROTATION = 'socketfleet.dev/fleet-key-rotation';
const KEY_LENGTH = 48;
const PASSWORD_LENGTH = 32;
const TOKEN_LENGTH = 40;

/** The Secret as it is in the cluster; undefined when there is none. */
export type SecretLookup = (name: string) => KubeObject | undefined;
/** A random word of so many letters and digits. */
export type RandomWord = (length: number) => string;

export function buildFleetKeySecret(fleet: FleetInput, lookup: SecretLookup, random: RandomWord): KubeObject | undefined {
	const { redis, fleetKey } = fleet.spec;
	if (redis.source === 'none' || fleetKey.existingSecret !== '') {
		return undefined;
	}
	const name = fleetKeySecretName(fleet);
	const { rotation, current, previous } = rotate(lookup(name), fleetKey.rotation, random);
	return frame(
		fleet,
		'Secret',
		{ name, annotations: { [ROTATION]: String(rotation) } },
		{ data: { current: encode(current), previous: encode(previous) } },
	);
}

interface FleetKey {
	readonly rotation: number;
	readonly current: string;
	readonly previous: string;
}

/** One step at a time, whatever was asked for: a pod must have learned a key before another pod uses it. */
function rotate(existing: KubeObject | undefined, wanted: number, random: RandomWord): FleetKey {
	if (!existing) {
		return { rotation: wanted, current: random(KEY_LENGTH), previous: '' };
	}
	const was = Number(existing.metadata.annotations?.[ROTATION] ?? 0);
	const current = secretText(existing, 'current') || random(KEY_LENGTH);
	const previous = secretText(existing, 'previous');
	if (wanted !== was + 1) {
		return { rotation: was, current, previous };
	}
	if (wanted % 2 === 1) {
		// Odd: a new key, accepted by every pod but not used yet.
		return { rotation: wanted, current, previous: random(KEY_LENGTH) };
	}
	// Even: all pods know it by now; use it, and accept the old one from pods that are still on it.
	return { rotation: wanted, current: previous || random(KEY_LENGTH), previous: current };
}

/** Whether the wanted rotation is not the next step of the one in force: then it is not carried out, and the operator says so. */
export function isRotationRefused(fleet: FleetInput, lookup: SecretLookup): boolean {
	const existing = lookup(fleetKeySecretName(fleet));
	const was = Number(existing?.metadata.annotations?.[ROTATION] ?? fleet.spec.fleetKey.rotation);
	const { rotation, existingSecret } = fleet.spec.fleetKey;
	return existingSecret === '' && existing !== undefined && rotation !== was && rotation !== was + 1;
}

export function buildRedisSecret(fleet: FleetInput, lookup: SecretLookup, random: RandomWord): KubeObject | undefined {
	const { source, bundled } = fleet.spec.redis;
	return source === 'bundled' && bundled.existingSecret === ''
		? oneWord(fleet, redisSecretName(fleet), 'redis-password', lookup, () => random(PASSWORD_LENGTH))
		: undefined;
}

export function buildApiSecret(fleet: FleetInput, lookup: SecretLookup, random: RandomWord): KubeObject | undefined {
	const { enabled, existingSecret } = fleet.spec.api;
	return enabled && existingSecret === '' ? oneWord(fleet, apiSecretName(fleet), 'tokens', lookup, () => random(TOKEN_LENGTH)) : undefined;
}

function oneWord(fleet: FleetInput, name: string, key: string, lookup: SecretLookup, mint: () => string): KubeObject {
	return frame(fleet, 'Secret', { name }, { data: { [key]: encode(secretText(lookup(name), key) || mint()) } });
}

function encode(text: string): string {
	return Buffer.from(text).toString('base64');
}
