/** The composition root of the operator. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { ERROR_TABLE, messageOf } from '../base/errors.ts';
import { Lifecycle } from '../base/lifecycle.ts';
import { createLogger, type Logger, type LogLevel } from '../base/log.ts';
import { VERSION } from '../config/version.ts';
import { createKubeClient, type KubeClient } from '../kube/client.ts';
import { loadCredentials } from '../kube/credentials.ts';
import { EventRecorder } from '../kube/events.ts';
import { LeaseElection } from '../kube/lease.ts';
import { RESOURCES } from '../kube/object.ts';
import { createTransport } from '../kube/transport.ts';
import { createMetrics, type Metrics } from '../metrics/registry.ts';
import { watchRuntime } from '../metrics/runtime.ts';
import { OperatorAdminServer } from './admin-server.ts';
import { Cache } from './cache.ts';
import { Controller } from './controller.ts';
import { CustomMetricsApi } from './metrics-api/api.ts';
import { Authorizer } from './metrics-api/authorization.ts';
import { PodReader } from './metrics-api/pod-reader.ts';
import { CustomMetricsServer } from './metrics-api/server.ts';
import { CertificateStore } from './metrics-api/serving-certificate.ts';
import { createPodAdmin, type PodAdmin } from './pod-admin.ts';
import { Reconciler } from './reconcile.ts';

export interface OperatorOptions {
	/** Fleets of this namespace only. */
	readonly namespace: string | undefined;
	/** Where the Lease is; by default the operator's own namespace. */
	readonly leaseNamespace: string | undefined;
	readonly host: string;
	readonly adminPort: number;
	readonly logLevel: LogLevel;
	readonly logFormat: 'json' | 'pretty';
	/** Undefined: `custom.metrics.k8s.io` is not served. */
	readonly customMetrics: CustomMetricsOptions | undefined;
}

export interface CustomMetricsOptions {
	/** The Service in the operator's own namespace under which the API server reaches it. */
	readonly service: string;
	readonly port: number;
}

const LEASE_NAME = 'socketfleet-operator';
const COMPONENT = 'socketfleet-operator';

/** Resolves when the operator is up; the process then lives until a signal, or until another leads. */
export async function runOperator(options: OperatorOptions): Promise<void> {
	const log = await createLogger({ level: options.logLevel, format: options.logFormat });
	const parts = new Lifecycle(log);
	endOnSignals(parts, log);
	const identity = `${hostname()}_${randomUUID().slice(0, 8)}`;
	const { server, authorize, namespace: ownNamespace } = loadCredentials();
	log.info({ version: VERSION, server, identity, namespace: options.namespace ?? 'all' }, 'operator starting');

	const metrics = createMetrics('operator');
	parts.add('runtime metrics', watchRuntime(metrics));
	const client = parts.add(
		'client',
		createKubeClient({
			transport: createTransport(server, authorize),
			onRequest: (verb, result) => metrics.inc('socketfleet_operator_api_requests_total', { verb, result }),
		}),
	);
	const onRestart = (resource: string, reason: string): void =>
		metrics.inc('socketfleet_operator_watch_restarts_total', { resource, reason });
	const cache = parts.add('cache', new Cache({ client, namespace: options.namespace, log, onRestart }));
	const events = new EventRecorder({ client, component: COMPONENT, instance: identity, log });
	const podAdmin = createPodAdmin();
	const reconciler = new Reconciler({ client, cache, podAdmin, events, metrics, log });
	const homeNamespace = options.leaseNamespace ?? ownNamespace;
	const election = parts.add(
		'election',
		new LeaseElection({
			client,
			lease: { namespace: homeNamespace, name: LEASE_NAME },
			identity,
			log,
			onAcquired: () => controller.lead(),
			// Another begins within seconds: requests that are under way can't be called back, a process that ends sends no more.
			onLost: () => process.exit(ERROR_TABLE.ERR_KUBE.exitCode),
		}),
	);
	// After the election, so that it is closed before the Lease is given up.
	const controller = parts.add('controller', new Controller({ cache, reconciler, metrics }));
	// Every operator serves it, whoever leads.
	const customMetrics =
		options.customMetrics &&
		parts.add(
			'custom metrics',
			createCustomMetrics({
				...options.customMetrics,
				host: options.host,
				namespace: homeNamespace,
				client,
				cache,
				podAdmin,
				metrics,
				log,
			}),
		);
	const isReady = (): boolean => cache.hasSynced && customMetrics?.isReady !== false;
	const admin = parts.add('admin', new OperatorAdminServer({ host: options.host, port: options.adminPort, metrics, isReady }));
	refreshGauges(metrics, cache, controller, election);
	log.info({ port: await admin.listen() }, 'admin port is open');
	await cache.start();
	log.info({ fleets: cache.fleets.all().length }, 'all collections are known');
	if (customMetrics) {
		log.info({ port: await customMetrics.start() }, 'custom metrics port is open');
	}
	election.start();
}

interface CustomMetricsParts extends CustomMetricsOptions {
	readonly host: string;
	readonly namespace: string;
	readonly client: KubeClient;
	readonly cache: Cache;
	readonly podAdmin: PodAdmin;
	readonly metrics: Metrics;
	readonly log: Logger;
}

function createCustomMetrics({
	host,
	port,
	service,
	namespace,
	client,
	cache,
	podAdmin,
	metrics,
	log,
}: CustomMetricsParts): CustomMetricsServer {
	const reader = new PodReader({ client, podAdmin, log });
	const api = new CustomMetricsApi({ authorizer: new Authorizer({ client }), reader, podsIn: (each) => cache.podsIn(each), log });
	const certificates = new CertificateStore({ client, service: { namespace, name: service } });
	return new CustomMetricsServer({ host, port, api, client, certificates, metrics, log });
}

function refreshGauges(metrics: Metrics, cache: Cache, controller: Controller, election: LeaseElection): void {
	metrics.onSnapshot(() => {
		metrics.set('socketfleet_operator_leader', {}, election.leads ? 1 : 0);
		metrics.set('socketfleet_operator_fleets', {}, cache.fleets.all().length);
		metrics.set('socketfleet_operator_queue_depth', {}, controller.depth);
		metrics.set('socketfleet_operator_watch_age_seconds', { resource: RESOURCES.SocketFleet.plural }, cache.fleets.lastEventAgeMs / 1000);
		metrics.set('socketfleet_operator_watch_age_seconds', { resource: RESOURCES.Pod.plural }, cache.pods.lastEventAgeMs / 1000);
	});
}

function endOnSignals(parts: Lifecycle, log: Logger): void {
	for (const signal of ['SIGTERM', 'SIGINT'] as const) {
		process.once(signal, () => {
			log.info({ signal }, 'ending');
			void parts.close().then(() => process.exit(0));
		});
	}
	process.on('uncaughtException', (error) => {
		log.fatal({ err: error.stack ?? messageOf(error) }, 'unexpected error: the operator ends');
		process.exit(ERROR_TABLE.ERR_UNEXPECTED.exitCode);
	});
}
