/** The CustomResourceDefinition, whole. `scripts/generate.ts` writes it into the operator's chart. */
import { RESOURCES } from '../../kube/object.ts';
import type { JsonObject, JsonSchema, Rule } from './field.ts';
import { objectSchema } from './field.ts';
import { GROUP, VERSION_NAME } from './fleet.ts';
import { SPEC_RULES } from './rules.ts';
import { SPEC_FIELDS } from './spec.ts';

const { kind, plural } = RESOURCES.SocketFleet;

const NAME_RULES: readonly Rule[] = [
	{
		rule: "self.metadata.name.size() <= 50 && self.metadata.name.matches('^[a-z]([a-z0-9-]*[a-z0-9])?$')",
		message:
			'metadata.name must start with a letter, hold only a-z, 0-9 and "-", and be at most 50 characters long: it becomes the name of Services',
	},
];

const number = (description: string): JsonSchema => ({ type: 'integer', description });
const text = (description: string, extra: JsonSchema = {}): JsonSchema => ({ type: 'string', description, ...extra });
const time = (description: string): JsonSchema => text(description, { format: 'date-time' });

const CONDITION: JsonSchema = {
	type: 'object',
	description: 'One aspect of the fleet, as in metav1.Condition.',
	required: ['type', 'status', 'reason', 'message', 'lastTransitionTime'],
	properties: {
		type: text('Which aspect.'),
		status: text('Whether it holds.', { enum: ['True', 'False', 'Unknown'] }),
		reason: text('Why, as one word.'),
		message: text('Why, and what to do about it, as a sentence.'),
		observedGeneration: { type: 'integer', format: 'int64', description: 'The generation of the spec that this was seen for.' },
		lastTransitionTime: time('When the status last changed.'),
	},
};

const STATUS: JsonSchema = {
	type: 'object',
	description: 'What the operator sees and does. Written by the operator.',
	properties: {
		observedGeneration: { type: 'integer', format: 'int64', description: 'The generation of the spec that was last acted on.' },
		replicas: number('Pods that exist.'),
		readyReplicas: number('Pods that are ready.'),
		updatedReplicas: number('Pods of the newest version.'),
		selector: text('Selector of the pods, for the scale subresource.'),
		connections: number('Open connections of all pods, as last read.'),
		workers: number('Worker processes that are ready, of all pods.'),
		version: text('Tag or digest of the image.'),
		drainingPod: text('The pod that drains to be removed.'),
		rebalance: {
			type: 'object',
			description: 'Progress of the rebalance.',
			properties: {
				active: { type: 'boolean', description: 'Whether one goes on.' },
				lastRoundAt: time('When the last round was asked for.'),
				movedConnections: {
					type: 'integer',
					format: 'int64',
					description: 'Connections closed by rounds, or with dryRun that would have been.',
				},
				fullestPercent: number('The fullest pod in percent of the mean.'),
			},
		},
		rollout: {
			type: 'object',
			description: 'A roll-out that did not do well. Absent otherwise.',
			properties: {
				key: text('Which one: a hash of the pod template and of its bounds.'),
				state: text('What became of it.', { enum: ['stopped', 'rolledBack'] }),
				message: text('What passed which bound.'),
			},
		},
		conditions: {
			type: 'array',
			description: 'Aspects of the fleet.',
			items: CONDITION,
			'x-kubernetes-list-type': 'map',
			'x-kubernetes-list-map-keys': ['type'],
		},
	},
};

const COLUMNS = [
	{
		name: 'Ready',
		type: 'string',
		jsonPath: '.status.conditions[?(@.type=="Ready")].status',
		description: 'Whether enough pods are ready.',
	},
	{ name: 'Pods', type: 'integer', jsonPath: '.status.readyReplicas', description: 'Ready pods.' },
	{ name: 'Connections', type: 'integer', jsonPath: '.status.connections', description: 'Open connections.' },
	{ name: 'Workers', type: 'integer', jsonPath: '.status.workers', description: 'Ready worker processes.' },
	{ name: 'Version', type: 'string', jsonPath: '.status.version', description: 'Version of the image.' },
	{ name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
];

export function buildCrd(): JsonObject {
	return {
		apiVersion: 'apiextensions.k8s.io/v1',
		kind: 'CustomResourceDefinition',
		metadata: { name: `${plural}.${GROUP}`, annotations: { 'helm.sh/resource-policy': 'keep' } },
		spec: {
			group: GROUP,
			names: { kind, listKind: `${kind}List`, plural, singular: 'socketfleet', shortNames: ['sfleet'], categories: ['all', 'socketfleet'] },
			scope: 'Namespaced',
			versions: [
				{
					name: VERSION_NAME,
					served: true,
					storage: true,
					additionalPrinterColumns: COLUMNS,
					subresources: {
						status: {},
						scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas', labelSelectorPath: '.status.selector' },
					},
					schema: { openAPIV3Schema: buildSchema() as JsonObject },
				},
			],
		},
	};
}

function buildSchema(): JsonSchema {
	return {
		type: 'object',
		description: 'A Socket.IO application, run as a fleet of pods.',
		required: ['spec'],
		properties: {
			apiVersion: { type: 'string' },
			kind: { type: 'string' },
			metadata: { type: 'object' },
			spec: objectSchema('What the fleet should be.', SPEC_FIELDS, SPEC_RULES),
			status: STATUS,
		},
		'x-kubernetes-validations': NAME_RULES,
	};
}
